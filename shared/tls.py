"""The configuration of every TLS context: the terminator's, and those into which judging loads an upload as a test.

Rules:

* TLS 1.2 and 1.3, ciphers with forward secrecy and authenticated encryption (RFC 9325 section 4.2), no compression, no
  renegotiation. The groups are OpenSSL's defaults, with X25519MLKEM768 first where the library has it.
* Of the application protocols (ALPN), only http/1.1 is selected. Bytes are forwarded unchanged, so the terminator must
  not promise a protocol that the upstream may not speak. If the client offers only others, the connection continues
  without one (RFC 7301 allows a server to ignore the extension).
* Sessions are resumed with tickets only; each context has its own ticket keys.
"""

from collections.abc import Iterable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL

TLS12: Final = 0x0303
TLS13: Final = 0x0304

MAX_CHAIN_BYTES: Final = 100 * 1024  # OpenSSL clients' limit (SSL_MAX_CERT_LIST_DEFAULT), counted as by `shown_bytes`
_LENGTH_BYTES: Final = 3  # before each certificate (RFC 5246 section 7.4.2)

# For TLS 1.2; all ciphers of TLS 1.3 are acceptable (RFC 8446 appendix B.4).
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_PRIORITIZE_CHACHA: Final = 1 << 21  # SSL_OP_PRIORITIZE_CHACHA, for clients that prefer it for lack of AES hardware
_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE | _PRIORITIZE_CHACHA
_PARTIAL_WRITE: Final = 1  # SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets by itself
_PROTOCOL: Final = b"http/1.1"


def shown_bytes(chain: Iterable[bytes]) -> int:
    """Return the number of bytes that *chain* (DER) takes in a handshake."""
    return sum(len(certificate) + _LENGTH_BYTES for certificate in chain)


def new_context(
    chain: tuple[bytes, ...],
    key: bytes,
    *,
    lowest: int = TLS12,
    highest: int = TLS13,
    resumable: bool = True,
) -> SSL.Context:
    """Return a server context with *chain* (DER, leaf first) and its private *key* (PKCS #8 DER)."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(max(lowest, TLS12))
    context.set_max_proto_version(highest)
    context.set_options(_OPTIONS if resumable else _OPTIONS | SSL.OP_NO_TICKET)
    # RELEASE_BUFFERS frees 34 KiB for each idle connection. Without PARTIAL_WRITE, one call writes many records.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.clear_mode(_PARTIAL_WRITE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # tickets need no cache, which would hold 20,000 sessions
    context.set_cipher_list(_CIPHERS)
    context.set_alpn_select_callback(_select_protocol)
    leaf, *others = (x509.load_der_x509_certificate(der) for der in chain)
    context.use_certificate(leaf)
    for certificate in others:
        context.add_extra_chain_cert(certificate)
    # The service that sealed the key made or judged it. Testing RSA's primes again would take 35 to 250 ms.
    private_key = load_der_private_key(key, None, unsafe_skip_rsa_key_validation=True)
    context.use_privatekey(private_key)  # type: ignore[arg-type] # the union includes kinds that no leaf has
    context.check_privatekey()
    return context


def _select_protocol(_connection: SSL.Connection, offered: list[bytes]) -> "bytes | SSL._NoOverlappingProtocols":
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS
