"""A customer's own certification authority: a root, an intermediate, and leaves with any kind of key."""

import functools
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_DAY: Final = timedelta(days=1)
_LEAF_USAGE: Final = ("digital_signature",)
_CA_USAGE: Final = ("key_cert_sign", "crl_sign")
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class KeyKind(StrEnum):
    """A kind of private key that customers use."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    RSA_2048 = "rsa-2048"
    RSA_4096 = "rsa-4096"
    ED25519 = "ed25519"


def new_key(kind: KeyKind) -> PrivateKey:
    """Return a new private key; generating RSA keys takes between a tenth of a second and several seconds."""
    match kind:
        case KeyKind.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.ECDSA_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyKind.RSA_2048 | KeyKind.RSA_4096:
            return rsa.generate_private_key(65537, int(kind.rpartition("-")[2]))
        case KeyKind.ED25519:
            return ed25519.Ed25519PrivateKey.generate()


def pkcs8(key: PrivateKey) -> bytes:
    """Return *key* as PKCS #8, DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A leaf with its chain (without the root) and its key."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey

    @property
    def host(self) -> str:
        """The first DNS name of the leaf."""
        names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)[0]

    @property
    def bundle_pem(self) -> str:
        """The leaf and then the chain, PEM."""
        return "".join(each.public_bytes(Encoding.PEM).decode() for each in (self.leaf, *self.chain))

    @property
    def key_pem(self) -> str:
        """The key in PKCS #8, PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Authority:
    """A root, which is in no upload, and an intermediate, which signs the leaves."""

    def __init__(self, name: str = "Shop") -> None:
        now = datetime.now(UTC)
        self._root_key: Final = new_key(KeyKind.ECDSA_P256)
        self._key: Final = new_key(KeyKind.ECDSA_P256)
        self.root: Final = _signed(f"{name} Root", self._root_key, until=now + 3650 * _DAY)
        self.intermediate: Final = _signed(
            f"{name} Intermediate", self._key, until=now + 1825 * _DAY, by=(self.root, self._root_key)
        )

    @functools.cached_property
    def roots_pem(self) -> bytes:
        """The root, PEM, which the customer's visitors trust."""
        return self.root.public_bytes(Encoding.PEM)

    def issue(
        self,
        *names: str,
        kind: KeyKind = KeyKind.ECDSA_P256,
        key: PrivateKey | None = None,
        days: float = 90,
        issued_days_ago: int = 1,
    ) -> Issued:
        """Return a leaf for *names* that expires *days* from now, and its key: *key*, or a new one of *kind*."""
        key = key or new_key(kind)
        now = datetime.now(UTC).replace(microsecond=0)
        leaf = _signed(
            names[0][:64],
            key,
            since=now - issued_days_ago * _DAY,
            until=now + days * _DAY,
            by=(self.intermediate, self._key),
            names=names,
        )
        return Issued(leaf=leaf, chain=(self.intermediate,), key=key)


def _signed(
    subject: str,
    key: PrivateKey,
    *,
    until: datetime,
    since: datetime | None = None,
    by: tuple[x509.Certificate, PrivateKey] | None = None,
    names: tuple[str, ...] = (),
) -> x509.Certificate:
    """Return a certificate for *key* that follows RFC 5280: a server's if it has *names*, else a CA's."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    issuer, issuer_key = by or (None, key)
    issuer_public_key = issuer_key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(127) | 1)
        .not_valid_before(since or datetime.now(UTC) - 30 * _DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(_usage(_LEAF_USAGE if names else _CA_USAGE), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public_key), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _usage(asserted: tuple[str, ...]) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in asserted for usage in _USAGES})
