"""The states of orders, uploads and domains."""

from shared.events.words.word import Word


class OrderState(Word):
    """`state` of an order, as the command line shows it; RFC 8555 has other names for the CA's side."""

    QUEUED = "queued", "its order waits for its turn"
    WAITING_DNS = "waiting_dns", "its order waits for the DNS", "The domain's owner creates the record."
    KEYED = "keyed", "its key is made, and its order goes to the CA next"
    ORDERING = "ordering", "its order is on the way to the CA"
    ORDERED = "ordered", "the CA has its order"
    VALIDATING = "validating", "the CA checks whether the domain points here"
    FINALIZING = "finalizing", "the CA issues its certificate"
    ISSUED = "issued", "its certificate is issued"
    FAILED = (
        "failed",
        "its order can never succeed",
        "The party in the message must act; then a renewal is requested.",
    )
    PARKED = (
        "parked",
        "its order failed for 30 days and is no longer retried",
        "The party in the message must act; then `domain.updated` or `certificate.renewal_requested` starts it again.",
    )
    CANCELLED = "cancelled", "its order ended because the domain was deleted, or wants another key type"


class Standing(Word):
    """`is` of a domain in `certsmith status` and `certsmith domains`: its state in one word."""

    SERVING = "serving", "a certificate that is valid now is served for it"
    PROGRESSING = "progressing", "it is not served yet, and no action is needed"
    STUCK = (
        "stuck",
        "it is not served, and nothing improves until somebody acts",
        "Its sentence names who must do what.",
    )


class UploadState(Word):
    """`state` of an upload in `certsmith uploads`."""

    RECEIVED = "received", "it waits for its verdict"
    ACCEPTED = "accepted", "its certificate is stored"
    REJECTED = (
        "rejected",
        "it was refused, for all the reasons that are listed",
        "The customer corrects what the reasons name, and uploads again.",
    )
