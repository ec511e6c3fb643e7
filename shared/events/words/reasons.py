"""Why a request or an upload was refused."""

from shared.events.words.word import Word


class ReasonCode(Word):
    """`code` of a reason in `domain.rejected`, `certificate.rejected`, `certificate.deletion_refused` or a dead letter.

    Codes of the rules for bundles and keys are listed in docs/validation.md.
    """

    # Of the message, before a handler sees it.
    MALFORMED_JSON = (
        "malformed_json",
        (
            "the body is not a JSON object in UTF-8, or two parsers could read it differently (a name twice, NaN, "
            "U+0000, nested more than 32 deep)"
        ),
        "The publisher corrects the body.",
    )
    MALFORMED_EVENT = (
        "malformed_event",
        "an attribute that CloudEvents requires is missing or is not a short text, or `ce-time` is not RFC 3339",
        "The publisher corrects the attributes.",
    )
    MISSING_FIELD = "missing_field", "a required field of the data is missing", "The publisher adds it."
    UNKNOWN_FIELD = "unknown_field", "the data has a field that its schema does not have", "The publisher removes it."
    INVALID_FIELD = "invalid_field", "a field of the data does not match its schema", "The publisher corrects it."
    UNKNOWN_TYPE = "unknown_type", "there is no such type of event", "The publisher uses a type of this page."
    UNROUTABLE = (
        "unroutable",
        "the type has no queue, or does not exist",
        (
            "If the type is on this page, the operator runs `certsmith migrate` and replays the dead letter; otherwise "
            "the publisher corrects the type."
        ),
    )
    TYPE_MISMATCH = (
        "type_mismatch",
        "`ce-type` differs from the routing key, or the message was sent with `CC` or `BCC`",
        "The publisher uses the type as routing key, and neither header.",
    )
    TOO_LARGE = "too_large", "the body is larger than 512 KiB", "The publisher sends less."
    CONTENT_TYPE = "content_type", "the content type is not JSON", "The publisher sends application/json."
    CONTENT_ENCODING = "content_encoding", "the body is compressed or encoded", "The publisher sends plain UTF-8."
    UNREADABLE_PROPERTIES = (
        "unreadable_properties",
        "properties or headers are not valid AMQP 0-9-1",
        "The publisher uses another client library, or corrects its headers.",
    )
    KEY_IN_THE_CLEAR = (
        "key_in_the_clear",
        "the message contains a private key; the broker has written it to its disk, and we have not kept it",
        "The publisher treats that key as compromised: revokes its certificates, makes a new key, and seals it.",
    )
    NOT_HANDLED = (
        "not_handled",
        "the service failed to handle it several times",
        "The operator finds the error in the service's log, and replays the dead letter.",
    )
    # Of the name and the upstream.
    NAME_EMPTY = "name_empty", "the name is empty", "The publisher names the domain."
    NAME_EMPTY_LABEL = "name_empty_label", "the name has an empty label", "The publisher corrects the name."
    NAME_TOO_LONG = "name_too_long", "the name is longer than a DNS name can be", "The publisher corrects the name."
    NAME_LABEL_TOO_LONG = (
        "name_label_too_long",
        "a label of the name has more than 63 characters",
        "The publisher corrects the name.",
    )
    NAME_CHARACTERS = (
        "name_characters",
        "the name has characters that host names do not have",
        "The publisher corrects the name.",
    )
    NAME_UNDERSCORE = (
        "name_underscore",
        "the name has an underscore, for which CAs do not issue",
        "The publisher chooses another name.",
    )
    NAME_NOT_IDNA = (
        "name_not_idna",
        "the internationalized name cannot be written in ASCII (IDNA)",
        "The publisher corrects the name.",
    )
    NAME_IS_ADDRESS = "name_is_address", "an IP address was given", "The publisher gives a host name."
    NAME_WILDCARD_POSITION = (
        "name_wildcard_position",
        "a `*` is not alone in the first label",
        "The publisher corrects the name.",
    )
    NAME_NOT_PUBLIC = (
        "name_not_public",
        "the name is not in the public DNS",
        "The publisher gives a name below a public suffix.",
    )
    NAME_PUBLIC_SUFFIX = (
        "name_public_suffix",
        "the name is itself a public suffix, below which others register names",
        "The publisher gives a name below it.",
    )
    UPSTREAM_SCHEME = "upstream_scheme", "the upstream's scheme is not supported", "The publisher uses `tcp://`."
    UPSTREAM_MALFORMED = (
        "upstream_malformed",
        "the upstream is not `tcp://host:port`",
        "The publisher corrects the upstream.",
    )
    UPSTREAM_ADDRESS = (
        "upstream_address",
        "the upstream's address can never be dialled",
        "The publisher gives the address of the customer's server.",
    )
    # Of requests about domains and certificates.
    DOMAIN_MISSING = "domain_missing", "a renewal names no domain", "The publisher adds `domain`."
    DOMAIN_UNKNOWN = (
        "domain_unknown",
        "the tenant has not registered the domain",
        "The publisher publishes `domain.created` first, or corrects `tenant`.",
    )
    NOT_AUTOMATIC = (
        "not_automatic",
        "the domain has no certificate_management_policy, so nothing can be renewed",
        "The publisher gives it one with `domain.updated`, or uploads a certificate.",
    )
    REVOCATION_NOT_SERVED = (
        "revocation_not_served",
        "this release cannot revoke certificates",
        "The operator revokes at the CA, and replays the dead letter to a release that can.",
    )
    CERTIFICATE_UNFIT = (
        "certificate_unfit",
        (
            "the certificate to attach does not exist, is not of this tenant, was not uploaded, or does not cover the "
            "domain"
        ),
        "The publisher attaches an uploaded certificate of the tenant that covers the domain.",
    )
    CERTIFICATE_UNKNOWN = (
        "certificate_unknown",
        "the tenant has no certificate of this id",
        "The publisher corrects the id, or `tenant`.",
    )
    CERTIFICATE_AUTOMATIC = (
        "certificate_automatic",
        "an automatic certificate cannot be deleted; its key is erased with its domain",
        "The publisher deletes the domain, or leaves the certificate.",
    )
    CERTIFICATE_NOT_JUDGED = (
        "certificate_not_judged",
        "the upload of this id has no verdict yet",
        "The publisher waits for the verdict.",
    )
    CERTIFICATE_IN_USE = (
        "certificate_in_use",
        "domains use the certificate",
        "The publisher detaches it from the domains that are named, and asks again.",
    )
    # Of uploads, apart from the rules for bundles and keys.
    UPLOADS_OFF = (
        "uploads_off",
        "uploads are disabled for this tenant",
        "The platform's operator enables them: `certsmith uploads allow TENANT`.",
    )
    CERTIFICATE_ID_TAKEN = (
        "certificate_id_taken",
        "the `certificate_id` was used before, for another upload",
        "The publisher chooses another id.",
    )
    CERTIFICATE_DELETED = (
        "certificate_deleted",
        "the certificate of this upload was deleted since",
        "The publisher uploads it again under another id.",
    )
    ATTACH_TOO_MANY = "attach_too_many", "`attach` names too many domains", "The publisher names fewer."
    ATTACH_INVALID_NAME = (
        "attach_invalid_name",
        "`attach` contains a name that cannot be a domain",
        "The publisher corrects it.",
    )
    ATTACH_NOT_COVERED = (
        "attach_not_covered",
        "the certificate does not cover a domain in `attach`",
        "The publisher removes the domain, or uploads a certificate that covers it.",
    )
    ATTACH_UNFIT = (
        "attach_unfit",
        "the certificate cannot be attached to a domain in `attach`",
        "The publisher follows the message.",
    )
    CHAIN_NOT_REPLACED = (
        "chain_not_replaced",
        "the same certificate is stored already, with other intermediates, which stay (a warning)",
        "No action is needed; to replace the intermediates, delete the certificate and upload it again.",
    )
    SEALED_NOT_BASE64 = "sealed_not_base64", "`sealed` is not Base64", "The uploader corrects its encoding."
    SEALED_UNREADABLE = (
        "sealed_unreadable",
        "`sealed` cannot be opened with the intake key that it names",
        "The uploader seals the key again.",
    )
    SEALED_MALFORMED = (
        "sealed_malformed",
        "the sealed content is not an envelope of format 1",
        "The uploader follows the description on this page.",
    )
    SEALED_TOO_LARGE = "sealed_too_large", "`sealed` is too large for a key", "The uploader seals the key alone."
    SEALED_OTHER_CERTIFICATE_ID = (
        "sealed_other_certificate_id",
        "the key was sealed for another `certificate_id`",
        "The uploader seals the key again for this one.",
    )
    SEALED_OTHER_TENANT = (
        "sealed_other_tenant",
        "the key was sealed for another tenant",
        "The uploader seals the key again for this one.",
    )
    SEALED_OTHER_BUNDLE = (
        "sealed_other_bundle",
        "the key was sealed for another `certificate_pem`",
        "The uploader seals the key again for this one.",
    )
    SEALED_EXPIRED = "sealed_expired", "the envelope has expired", "The uploader seals the key again."
    SEALED_FOR_TOO_LONG = (
        "sealed_for_too_long",
        "the envelope expires more than 7 days ahead",
        "The uploader seals the key again with an earlier `expires_at`.",
    )
    INTAKE_KEY_UNKNOWN = (
        "intake_key_unknown",
        "there is no intake key of this id, or it was retired",
        "The uploader fetches the current intake key and seals to that.",
    )
    JUDGING_FAILED = (
        "judging_failed",
        "an error of this program kept the upload from being judged",
        "The platform's operator finds the error in the validator's log; then the customer uploads again.",
    )
    JUDGING_TIMEOUT = (
        "judging_timeout",
        "judging the bundle took too long",
        "The customer uploads a smaller bundle.",
    )
