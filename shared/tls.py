"""How TLS is spoken: the configuration of every context, of a terminator and of who judges what one would take.

Rules:

* TLS 1.2 and 1.3, ciphers with forward secrecy and authenticated encryption (RFC 9325 section 4.2), no compression, no
  renegotiation. Groups are OpenSSL's own, X25519MLKEM768 first where the library has it.
* Of application protocols http/1.1 is taken when offered: bytes are forwarded as they are, so nothing may be promised
  that the upstream might not speak. With others a connection goes on without one (RFC 7301 lets a server ignore it).
* Sessions resume by tickets only, whose keys are the context's own.
"""

from collections.abc import Iterable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL

TLS12: Final = 0x0303
TLS13: Final = 0x0304

MAX_CHAIN_BYTES: Final = 100 * 1024  # what OpenSSL's clients take (SSL_MAX_CERT_LIST_DEFAULT), as `shown_bytes` counts
_LENGTH_BYTES: Final = 3  # before each certificate (RFC 5246 section 7.4.2)

# TLS 1.2; those of TLS 1.3 are all good (RFC 8446 appendix B.4)
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_PRIORITIZE_CHACHA: Final = 1 << 21  # SSL_OP_PRIORITIZE_CHACHA: for clients that prefer it, having no AES of their own
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE | _PRIORITIZE_CHACHA
_PARTIAL_WRITE: Final = 1  # SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets by itself
_PROTOCOL: Final = b"http/1.1"


def shown_bytes(chain: Iterable[bytes]) -> int:
    """Return how many bytes *chain* (DER) has in a handshake."""
    return sum(len(certificate) + _LENGTH_BYTES for certificate in chain)


def new_context(
    chain: tuple[bytes, ...],
    key: bytes,
    *,
    lowest: int = TLS12,
    highest: int = TLS13,
    resumable: bool = True,
) -> SSL.Context:
    """Return a context that shows *chain* (DER, leaf first) and proves it with *key* (PKCS #8 DER)."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(max(lowest, TLS12))
    context.set_max_proto_version(highest)
    context.set_options(_OPTIONS if resumable else _OPTIONS | SSL.OP_NO_TICKET)
    # Idle connections give 34 KiB back; a write of many records is one call.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.clear_mode(_PARTIAL_WRITE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # tickets need none, and it would hold 20,000 sessions
    context.set_cipher_list(_CIPHERS)
    context.set_alpn_select_callback(_select_protocol)
    leaf, *others = (x509.load_der_x509_certificate(der) for der in chain)
    context.use_certificate(leaf)
    for certificate in others:
        context.add_extra_chain_cert(certificate)
    # Whoever sealed the key made it or judged it; to prove RSA's primes once more would take 35 to 250 ms.
    private_key = load_der_private_key(key, None, unsafe_skip_rsa_key_validation=True)
    context.use_privatekey(private_key)  # type: ignore[arg-type] # kinds that no leaf has included
    context.check_privatekey()
    return context


def _select_protocol(_connection: SSL.Connection, offered: list[bytes]) -> "bytes | SSL._NoOverlappingProtocols":
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS
