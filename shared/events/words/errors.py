"""Why a certificate was not issued."""

from shared.events.words.word import Word


class ErrorCode(Word):
    """`error_code` of `certificate.failed`, and of an order: why a certificate was not issued."""

    DNS_ERROR = (
        "DNS_ERROR",
        "the name does not lead here: a record is missing or wrong, or its zone cannot be resolved",
        (
            "The domain's owner does what the message says: creates the record, repairs the zone, or opens port 80. "
            "Nothing else is needed."
        ),
    )
    CAA_ERROR = (
        "CAA_ERROR",
        "the domain's CAA records do not let this CA issue",
        (
            "The domain's owner adds a CAA record that allows the platform's CA, or removes the one that forbids it. "
            "The order is retried by itself within a day; `certificate.renewal_requested` retries it at once."
        ),
    )
    VALIDATION_ERROR = (
        "VALIDATION_ERROR",
        "the CA could not fetch the challenge answer from the name",
        (
            "The domain's owner removes what answers in our place: a stale address record, a proxy or CDN, a firewall. "
            "The message says what the CA saw; nothing else is needed."
        ),
    )
    CHALLENGE_ERROR = (
        "CHALLENGE_ERROR",
        "the order needs a challenge that this release does not answer; wildcards need DNS-01",
        "The platform registers the host names that it needs, one by one, instead of the wildcard.",
    )
    REJECTED_IDENTIFIER = (
        "REJECTED_IDENTIFIER",
        "the CA's policy forbids certificates for this name",
        "The domain's owner chooses another name, uploads a certificate of their own, or the operator uses another CA.",
    )
    RATE_LIMITED = (
        "RATE_LIMITED",
        "a limit of the CA, or our own share of it, is reached",
        (
            "No action is needed: the order continues by itself. If the message says that the CA has paused the name, "
            "the platform's operator unpauses it at the address in the message."
        ),
    )
    ACCOUNT_ERROR = (
        "ACCOUNT_ERROR",
        "the CA refuses our ACME account, its contact, its terms or its external account binding",
        (
            "The platform's operator follows the message: agrees to the CA's terms, or corrects "
            "AUTOCERT_EMAIL or the AUTOCERT_EAB settings."
        ),
    )
    AUTHORITY_ERROR = (
        "AUTHORITY_ERROR",
        "the CA does not answer, is overloaded, or answers what cannot be used",
        (
            "No action is needed at first: the order is retried. If it lasts, the operator looks at the CA's status "
            "page, at AUTOCERT_CA and at AUTOCERT_TRUSTED_CA."
        ),
    )
    INTERNAL_ERROR = (
        "INTERNAL_ERROR",
        "an error of this program stopped the order",
        "The order is retried. The platform's operator finds the error in the provisioner's log and reports it.",
    )
