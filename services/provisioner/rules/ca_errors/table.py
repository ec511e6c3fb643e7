"""The errors of certificate authorities and their remedies, as tables.

The error of a *request* is looked up by (phase, type), then by type. The error of a *validation*, in a failed
challenge, is looked up by type. Types are those of RFC 8555 section 6.7 and its registry; a row with
another source names it.
"""

from dataclasses import dataclass, replace
from typing import Final

from services.provisioner.rules.acme import Phase
from services.provisioner.rules.ca_errors.verdict import Change, Pace, Remedy, Scope
from shared.events import ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A verdict without its name; *text* has places for name, detail and help_url."""

    remedy: Remedy
    error_code: ErrorCode
    text: str
    pace: Pace = Pace.SLOW
    scope: Scope = Scope.ORDER
    change: Change | None = None
    counts: bool = True


_CA: Final = "the certificate authority"
TROUBLE: Final = Row(
    remedy=Remedy.RETRY_LATER,
    error_code=ErrorCode.AUTHORITY_ERROR,
    text=f"{_CA} has a problem of its own ({{detail}}); no action is needed, it is tried again",
    pace=Pace.STEADY,
)
REREAD: Final = Row(
    remedy=Remedy.REREAD,
    error_code=ErrorCode.AUTHORITY_ERROR,
    text=f"{_CA} has the order in another state than this platform ({{detail}}); it is read again",
    pace=Pace.QUICK,
    counts=False,
)
EXPIRED: Final = Row(
    remedy=Remedy.FRESH_ORDER,
    error_code=ErrorCode.AUTHORITY_ERROR,
    text=f"{_CA} no longer knows the order for {{name}} ({{detail}}); a new one is made",
    pace=Pace.QUICK,
    counts=False,
)
_REFUSED_NAME: Final = Row(
    remedy=Remedy.NEVER,
    error_code=ErrorCode.REJECTED_IDENTIFIER,
    text=f"{_CA} issues no certificate for {{name}} ({{detail}}); the domain needs another name or another authority",
)
_ACCOUNT: Final = Row(
    remedy=Remedy.OPERATOR,
    error_code=ErrorCode.ACCOUNT_ERROR,
    text=f"{_CA} refuses the platform's account ({{detail}}); the platform's operator must settle this with it",
    scope=Scope.ACCOUNT,
)
_OUR_FAULT: Final = Row(
    remedy=Remedy.OPERATOR,
    error_code=ErrorCode.INTERNAL_ERROR,
    text=f"{_CA} does not accept what this software sends ({{detail}}); the platform's operator must report it",
)
_BAD_KEY: Final = Row(
    remedy=Remedy.FRESH_ORDER,
    error_code=ErrorCode.INTERNAL_ERROR,
    text=f"{_CA} does not accept the key made for {{name}} ({{detail}}); it is tried once with a new key",
    pace=Pace.STEADY,
    change=Change.NEW_KEY,
)
UNKNOWN: Final = Row(
    remedy=Remedy.RETRY_LATER,
    error_code=ErrorCode.AUTHORITY_ERROR,
    text=f"{_CA} refuses the order for {{name}} ({{detail}}); the platform's operator should look at why",
)
_CAA: Final = Row(
    remedy=Remedy.AFTER_USER,
    error_code=ErrorCode.CAA_ERROR,
    text=f"CAA records forbid {_CA} to certify {{name}} ({{detail}}); the owner of its DNS must add a CAA record that "
    "allows this authority",
)

# In an authorization: RFC 8555 section 8 makes it dead with the first failed challenge, so each needs a new order.
VALIDATION_ROWS: Final[dict[str, Row]] = {
    **dict.fromkeys(
        ("dns", "dnssec"),  # dnssec: not in the registry, Boulder once used it
        Row(
            remedy=Remedy.AFTER_USER,
            error_code=ErrorCode.DNS_ERROR,
            text=f"{_CA} could not look up {{name}} ({{detail}}); the owner of its DNS must fix its records",
        ),
    ),
    **dict.fromkeys(
        ("connection", "tls"),
        Row(
            remedy=Remedy.AFTER_USER,
            error_code=ErrorCode.VALIDATION_ERROR,
            text=f"{_CA} could not reach {{name}} ({{detail}}); the owner of its DNS must point it to this platform, "
            "with nothing in between that blocks port 80",
        ),
    ),
    **dict.fromkeys(
        ("unauthorized", "incorrectResponse"),
        Row(
            remedy=Remedy.AFTER_USER,
            error_code=ErrorCode.VALIDATION_ERROR,
            text=f"{_CA} got the answer of another server at {{name}} ({{detail}}); the owner of its DNS must point it "
            "to this platform only",
        ),
    ),
    "caa": _CAA,
    "rejectedIdentifier": _REFUSED_NAME,
    "unsupportedIdentifier": _REFUSED_NAME,
    "userActionRequired": _ACCOUNT,
    **dict.fromkeys(("serverInternal", "rateLimited", "malformed"), replace(TROUBLE, remedy=Remedy.FRESH_ORDER)),
}

# Of a request, whatever its phase.
REQUEST_ROWS: Final[dict[str, Row]] = {
    # After some 25 immediate tries with fresh nonces (RFC 8555 section 6.5) something else is wrong at the CA.
    "badNonce": replace(TROUBLE, pace=Pace.QUICK, counts=False),
    "serverInternal": TROUBLE,
    "caa": _CAA,
    "rejectedIdentifier": _REFUSED_NAME,
    "unsupportedIdentifier": _REFUSED_NAME,
    "orderNotReady": REREAD,  # section 7.4; as a failure it led to orders up to the rate limit (cert-manager #758)
    "conflict": REREAD,
    "badCSR": _BAD_KEY,
    "badPublicKey": _BAD_KEY,
    "unauthorized": _ACCOUNT,
    "externalAccountRequired": _ACCOUNT,  # section 7.3.4
    "userActionRequired": _ACCOUNT,  # section 7.3.3: `instance` has the terms
    "agreementRequired": _ACCOUNT,  # Pebble 2.4
    "invalidContact": _ACCOUNT,
    "unsupportedContact": _ACCOUNT,
    "badSignatureAlgorithm": _OUR_FAULT,
    "malformed": _OUR_FAULT,
    # Boulder checks this before its re-use of orders, so that a lost answer to newOrder shows up as this, too.
    "alreadyReplaced": Row(  # RFC 9773 section 5
        remedy=Remedy.RETRY_NOW,
        error_code=ErrorCode.AUTHORITY_ERROR,
        text=f"{_CA} has already replaced that certificate; {{name}} is ordered without naming it",
        change=Change.WITHOUT_REPLACES,
        counts=False,
    ),
    "invalidProfile": Row(  # draft-ietf-acme-profiles section 6
        remedy=Remedy.RETRY_NOW,
        error_code=ErrorCode.AUTHORITY_ERROR,
        text=f"{_CA} does not offer the profile asked for ({{detail}}); {{name}} is ordered with its default",
        change=Change.WITHOUT_PROFILE,
        counts=False,
    ),
    "accountDoesNotExist": Row(  # newAccount is idempotent by key: section 7.3.1
        remedy=Remedy.FRESH_ORDER,
        error_code=ErrorCode.ACCOUNT_ERROR,
        text=f"{_CA} does not know the platform's account; it is registered again",
        pace=Pace.QUICK,
        scope=Scope.ACCOUNT,
        change=Change.REGISTER_AGAIN,
        counts=False,
    ),
    "alreadyRevoked": Row(  # section 7.6
        remedy=Remedy.DONE,
        error_code=ErrorCode.AUTHORITY_ERROR,
        text="the certificate is already revoked",
        counts=False,
    ),
}

# Of a request, where the phase changes the meaning.
PHASE_ROWS: Final[dict[tuple[Phase, str], Row]] = {
    (Phase.NEW_ORDER, "malformed"): _REFUSED_NAME,
    # The authorization was decided meanwhile: "Cannot update challenge with status invalid".
    (Phase.CHALLENGE, "malformed"): REREAD,
    (Phase.AUTHORIZATION, "malformed"): EXPIRED,  # Boulder's type for a resource that expired, with 404
    (Phase.ORDER, "malformed"): EXPIRED,
    (Phase.FINALIZE, "malformed"): REREAD,
    (Phase.CERTIFICATE, "malformed"): TROUBLE,  # the certificate exists: a new order would make a second one
    (Phase.FINALIZE, "unauthorized"): EXPIRED,  # Boulder: authorizations expired since
    (Phase.ACCOUNT, "badPublicKey"): _OUR_FAULT,
    (Phase.NEW_ORDER, "conflict"): REQUEST_ROWS["alreadyReplaced"],  # Boulder before RFC 9773
}

RATE_LIMITED: Final = Row(
    remedy=Remedy.RETRY_LATER,
    error_code=ErrorCode.RATE_LIMITED,
    text=f"{_CA} limits how much is ordered ({{detail}}); no action is needed, it is tried again when it allows",
    counts=False,
)
PAUSED: Final = Row(  # Boulder: `rateLimited` without Retry-After, with an address to unpause
    remedy=Remedy.OPERATOR,
    error_code=ErrorCode.RATE_LIMITED,
    text=f"{_CA} has paused {{name}} after many failures; once its DNS is right, the platform's operator must "
    "unpause it at {help_url}",
)
OVERLOADED: Final = replace(TROUBLE, pace=Pace.STEADY, scope=Scope.AUTHORITY, counts=False)
UNREACHABLE: Final = Row(
    remedy=Remedy.RETRY_LATER,
    error_code=ErrorCode.AUTHORITY_ERROR,
    text=f"{_CA} cannot be reached ({{detail}}); no action is needed unless it lasts",
    pace=Pace.QUICK,
    scope=Scope.AUTHORITY,
    counts=False,
)
UNTRUSTED: Final = Row(
    remedy=Remedy.OPERATOR,
    error_code=ErrorCode.AUTHORITY_ERROR,
    text=f"the TLS certificate of {_CA} does not verify ({{detail}}); the platform's operator must fix it or set "
    "AUTOCERT_TRUSTED_CA",
    pace=Pace.STEADY,
    scope=Scope.AUTHORITY,
    counts=False,
)
TIMED_OUT: Final = replace(
    UNREACHABLE, text=f"{_CA} did not answer in time ({{detail}}); no action is needed", scope=Scope.ORDER
)
MALFORMED: Final = replace(
    TROUBLE, text=f"{_CA} sent an answer that cannot be read ({{detail}}); the platform's operator should look at why"
)
