"""Uploads with a fault in the private key: its format, its kind, its numbers, or that it is another key."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from gmpy2 import next_prime  # type: ignore[import-untyped]

from tests.builders.judging import der
from tests.builders.judging.certificates import ec_key, issue
from tests.builders.judging.keys import Kind, key_of_openssl, loaded, pem_block
from tests.builders.judging.openssl import openssl
from tests.builders.judging.upload import ISSUER, LEAF_KEY, ROOT, Breaches, Upload, good, with_chain, with_key


def _given(text: Callable[[], bytes]) -> Callable[[], Upload]:
    return lambda: with_key(text())


def _and(block: Callable[[], bytes]) -> Callable[[], Upload]:
    return lambda: with_key(good().key + block())


def _after(block: Callable[[], bytes]) -> Callable[[], Upload]:
    return lambda: with_key(block() + _sec1())


def _pair_of(key: Callable[[], Any]) -> Callable[[], Upload]:
    """Return the upload of a *key* and a certificate for it."""
    return lambda: with_chain(leaf := issue(by=ISSUER, key=key()), ISSUER, key=leaf.key_pem)


def _certificate_for(key: Callable[[], Any]) -> Callable[[], Upload]:
    """Return the upload of the good key and a certificate for another *key*."""
    return lambda: with_chain(issue(by=ISSUER, key=key()), ISSUER)


def _pkcs8(key: Any, encoding: Encoding = Encoding.PEM) -> bytes:
    return bytes(key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption()))


def _sec1() -> bytes:
    return openssl("ec", given=good().key)


def _parameters(*words: str) -> Callable[[], bytes]:
    return partial(openssl, "ecparam", *words)


def _genpkey(*words: str) -> Callable[[], bytes]:
    return partial(openssl, "genpkey", *words)


def _encrypted() -> bytes:
    return LEAF_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def _public(form: PublicFormat) -> bytes:
    return LEAF_KEY.public_key().public_bytes(Encoding.PEM, form)


def _of_ssh() -> bytes:
    return LEAF_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _explicit() -> bytes:
    return openssl("ec", "-param_enc", "explicit", given=good().key)


def _halves_of_two(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key in SEC 1 with the private half of one key and the public half of another."""
    point = public.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    number = private.private_numbers().private_value.to_bytes(32)
    curve, half = der.tlv(0xA0, der.oid("1.2.840.10045.3.1.7")), der.tlv(0xA1, der.bits(point))
    return pem_block("EC PRIVATE KEY", der.sequence(der.integer(1), der.octets(number), curve, half))


@cache
def _rsa() -> rsa.RSAPrivateKey:
    key = loaded(key_of_openssl(Kind.RSA_2048))
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _rsa_with(**changes: int) -> bytes:
    """Return the key in PKCS #1 with some of its numbers changed."""
    private = _rsa().private_numbers()
    numbers = {"n": private.public_numbers.n, "e": private.public_numbers.e}
    numbers |= {name: getattr(private, name) for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")}
    return pem_block("RSA PRIVATE KEY", der.sequence(der.integer(0), *map(der.integer, (numbers | changes).values())))


@cache
def _rsa_of(bits: int, exponent: int = 65537) -> Any:
    words = ("-pkeyopt", f"rsa_keygen_bits:{bits}", "-pkeyopt", f"rsa_keygen_pubexp:{exponent}")
    return loaded(openssl("genpkey", "-algorithm", "RSA", *words))


@cache
def _of_close_primes() -> rsa.RSAPrivateKey:
    """Return a key that Fermat's method breaks, because its primes are neighbours."""
    p = int(next_prime((3 << 1022) + _rsa().private_numbers().p % (1 << 900)))
    q = int(next_prime(p + 2))
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@cache
def _of_small_number() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(65537, ec.SECP256R1())


def _key(make: Callable[[], Any]) -> Callable[[], Upload]:
    return lambda: with_key(_pkcs8(make()))


BREACHES: Final[Breaches] = {
    "key_not_pem": {"DER": _given(lambda: openssl("pkey", "-outform", "DER", given=good().key))},
    "key_encrypted": {
        "PKCS #8": _given(_encrypted),
        "RFC 1421": _given(lambda: openssl("ec", "-aes128", "-passout", "pass:secret", given=good().key)),
    },
    "key_is_certificate": {"the bundle": _given(lambda: good().bundle)},
    "key_is_public": {
        "PKCS #8": _given(partial(_public, PublicFormat.SubjectPublicKeyInfo)),
        "RSA": _given(lambda: _rsa().public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)),
    },
    "key_foreign_form": {"OpenSSH": _given(_of_ssh)},
    "key_foreign_block": {
        "the certificate": _and(lambda: good().bundle),
        "the public key": _and(partial(_public, PublicFormat.SubjectPublicKeyInfo)),
        "DH parameters": _and(lambda: pem_block("DH PARAMETERS", b"\x30\x00")),
    },
    "key_several": {
        "another": _and(lambda: _pkcs8(ec_key(8))),
        "the same": _and(lambda: good().key),
    },
    "key_parameters": {
        "of another curve": _after(_parameters("-name", "P-384")),
        "explicit": _after(_parameters("-name", "P-256", "-param_enc", "explicit")),
        "after the key": _given(lambda: _sec1() + openssl("ecparam", "-name", "P-256")),
        "twice": _after(lambda: openssl("ecparam", "-name", "P-256") * 2),
        "before RSA": lambda: with_chain(
            issue(by=ISSUER, key=_rsa()), ISSUER, key=openssl("ecparam", "-name", "P-256") + _pkcs8(_rsa())
        ),
    },
    "key_unreadable": {
        "noise": _given(lambda: pem_block("PRIVATE KEY", bytes(100))),
        "a byte after it": _given(lambda: pem_block("PRIVATE KEY", _pkcs8(LEAF_KEY, Encoding.DER) + b"\0")),
        "SEC 1 under the label of PKCS #8": _given(lambda: _sec1().replace(b"EC PRIVATE", b"PRIVATE")),
        "PKCS #8 under the label of PKCS #1": _given(lambda: good().key.replace(b"PRIVATE", b"RSA PRIVATE")),
    },
    "key_inconsistent": {
        "another public half": _given(partial(_halves_of_two, LEAF_KEY, ec_key(8))),
        "the certificate's public half": _given(partial(_halves_of_two, ec_key(8), LEAF_KEY)),
        "another modulus": _given(lambda: _rsa_with(n=_rsa_of(2048).private_numbers().public_numbers.n)),
        "another private exponent": _given(lambda: _rsa_with(d=_rsa().private_numbers().d + 2)),
        "another CRT exponent": _given(lambda: _rsa_with(dmp1=_rsa().private_numbers().dmp1 + 2)),
        "another CRT coefficient": _given(lambda: _rsa_with(iqmp=_rsa().private_numbers().iqmp + 1)),
    },
    "key_type": {
        "Ed448": _key(ed448.Ed448PrivateKey.generate),
        "X25519": _key(x25519.X25519PrivateKey.generate),
        "DSA": _key(lambda: dsa.generate_private_key(2048)),
        "secp256k1": _key(lambda: ec.generate_private_key(ec.SECP256K1())),
        "P-224": _key(lambda: ec.generate_private_key(ec.SECP224R1())),
        "brainpool": _key(lambda: ec.generate_private_key(ec.BrainpoolP256R1())),
        "RSA-PSS": _given(_genpkey("-algorithm", "RSA-PSS")),
        "explicit parameters": _given(_explicit),
    },
    "key_size": {
        "RSA 1024": _key(partial(_rsa_of, 1024)),
        "RSA 2050": _key(partial(_rsa_of, 2050)),
        "RSA 4104": _key(partial(_rsa_of, 4104)),
    },
    "key_exponent": {"2^32 + 1": _key(partial(_rsa_of, 2048, (1 << 32) + 1))},
    "leaf_key_type": {
        "Ed448": _certificate_for(ed448.Ed448PrivateKey.generate),
        "P-224": _certificate_for(lambda: ec.generate_private_key(ec.SECP224R1())),
        "secp256k1": _certificate_for(lambda: ec.generate_private_key(ec.SECP256K1())),
        "DSA": _certificate_for(lambda: dsa.generate_private_key(2048)),
    },
    "leaf_key_size": {"RSA 1024": _certificate_for(partial(_rsa_of, 1024))},
    "leaf_key_exponent": {"2^32 + 1": _certificate_for(partial(_rsa_of, 2048, (1 << 32) + 1))},
    "key_mismatch": {
        "another of the kind": _key(lambda: ec_key(8)),
        "of another kind": _given(lambda: key_of_openssl(Kind.RSA_2048)),
        "the issuer's": _key(lambda: ISSUER.key),
        "the root's": _key(lambda: ROOT.key),
    },
    "key_weak": {
        "close primes": _pair_of(_of_close_primes),
        "a small number": _pair_of(_of_small_number),
    },
    "rsa_2048": {"by openssl": _pair_of(_rsa)},
    "rsa_small_exponent": {"3": _pair_of(partial(_rsa_of, 3072, 3))},
}
