"""The proof at the end: the pair goes into a TLS context like the terminator's, and clients take the chain."""

from collections.abc import Sequence
from typing import Final

from OpenSSL import SSL

from shared.judging.model import Finding, Rule
from shared.tls import MAX_CHAIN_BYTES, new_context, shown_bytes

TOO_LARGE: Final = Rule(
    code="chain_too_large",
    source="RFC 5246 section 7.4.2, product rule",
    summary=f"the certificates have at most {MAX_CHAIN_BYTES // 1024} KiB together, which is what TLS clients take",
)
LOAD_FAILED: Final = Rule(
    code="load_failed",
    source="product rule",
    summary="certificates and key load into TLS as it is spoken here",
)
RULES: Final = (TOO_LARGE, LOAD_FAILED)


def oversize(chain: Sequence[bytes]) -> Finding | None:
    """Return that *chain* (DER) is larger than clients take, if so."""
    shown = shown_bytes(chain)
    if shown <= MAX_CHAIN_BYTES:
        return None
    message = f"the certificates have {shown:,} bytes together; TLS clients take at most {MAX_CHAIN_BYTES:,}"
    return TOO_LARGE.found(message, where="bundle")


def load_failure(chain: tuple[bytes, ...], key: bytes) -> Finding | None:
    """Return that *chain* (DER, leaf first) and *key* (PKCS #8 DER) do not load, if so."""
    try:
        new_context(chain, key)
    except (SSL.Error, ValueError, TypeError) as error:
        reasons = [str(part[-1]) for part in error.args[0]] if isinstance(error, SSL.Error) and error.args else []
        message = f"OpenSSL does not load bundle and key ({', '.join(reasons) or 'no reason given'}); make a new one"
        return LOAD_FAILED.found(message, where="bundle")
    return None
