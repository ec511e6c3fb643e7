"""The final check: bundle and key load into a TLS context like the terminator's, within the size clients accept."""

from collections.abc import Sequence
from typing import Final

from OpenSSL import SSL

from shared.judging.model import Finding, Rule
from shared.tls import MAX_CHAIN_BYTES, new_context, shown_bytes

TOO_LARGE: Final = Rule(
    code="chain_too_large",
    source="RFC 5246 section 7.4.2, product rule",
    summary=f"the certificates together have at most {MAX_CHAIN_BYTES // 1024} KiB, the limit of TLS clients",
)
LOAD_FAILED: Final = Rule(
    code="load_failed",
    source="product rule",
    summary="OpenSSL loads the certificates and the key with this platform's TLS settings",
)
RULES: Final = (TOO_LARGE, LOAD_FAILED)


def oversize(chain: Sequence[bytes]) -> Finding | None:
    """Return the finding that *chain* (DER) is larger than clients accept; None if it is not."""
    shown = shown_bytes(chain)
    if shown <= MAX_CHAIN_BYTES:
        return None
    message = (
        f"the certificates together have {shown:,} bytes; TLS clients accept at most {MAX_CHAIN_BYTES:,}. Remove the"
        " certificates that clients do not need"
    )
    return TOO_LARGE.found(message, where="bundle")


def load_failure(chain: tuple[bytes, ...], key: bytes) -> Finding | None:
    """Return the finding that *chain* (DER, leaf first) and *key* (PKCS #8 DER) do not load; None if they do."""
    try:
        new_context(chain, key)
    except (SSL.Error, ValueError, TypeError) as error:
        reasons = [str(part[-1]) for part in error.args[0]] if isinstance(error, SSL.Error) and error.args else []
        message = (
            f"OpenSSL cannot load the bundle and the key ({', '.join(reasons) or 'no reason given'}); make a new key"
            " and have the certificate reissued"
        )
        return LOAD_FAILED.found(message, where="bundle")
    return None
