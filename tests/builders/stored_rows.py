"""Builders of rows in the database: certificates with sealed keys, and orders."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from dev.certificates import Authority
from shared.certificates import parse
from shared.identifiers import CertificateId, DomainId, KeyId, new_certificate_id, new_key_id, new_order_id
from shared.registry import certificates
from shared.store import Connection
from shared.vault import KeyReader, KeyWriter, Ring, RingKey, SealedKey

AUTHORITY = Authority.create("Test Authority")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_VAULT = PrivateKey.generate()
_SIGNING = SigningKey.generate()


def _ring(name: str, material: bytes, *, writer: str | None = None) -> Ring:
    return Ring(name=name, keys=(RingKey(id=f"{name}-1", material=material, created_at=LONG_AGO, writer=writer),))


WRITER = KeyWriter(
    vault=_ring("vault", bytes(_VAULT.public_key)), signing=_ring("signing", bytes(_SIGNING)), writer="provisioner"
)
READER = KeyReader(
    vault=_ring("vault", bytes(_VAULT)),
    verify=_ring("signing", bytes(_SIGNING.verify_key), writer="provisioner"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A leaf, the rest of its chain, and its key, sealed and in the clear."""

    leaf: bytes
    issuers: tuple[bytes, ...]
    private_key: bytes
    sealed: SealedKey


def make(*names: str, tenant: str = "") -> Made:
    """Return a new certificate for *names*."""
    certificate_pem, key_pem = AUTHORITY.issue(*names)
    key = load_pem_private_key(key_pem, None)
    private_key = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Made(
        leaf=x509.load_pem_x509_certificate(certificate_pem).public_bytes(Encoding.DER),
        issuers=(AUTHORITY.certificate.public_bytes(Encoding.DER),),
        private_key=private_key,
        sealed=WRITER.seal(
            key_id=new_key_id(), tenant=tenant, private_key_pkcs8=private_key, public_key_spki=public_key
        ),
    )


async def store(
    connection: Connection, made: Made, *, tenant: str = "", source: certificates.Source = "automatic"
) -> CertificateId:
    """Store *made* with its key, and return its id."""
    await certificates.insert_key(connection, made.sealed, tenant=tenant)
    return await certificates.insert(
        connection,
        certificate_id=new_certificate_id(),
        tenant=tenant,
        source=source,
        key_id=made.sealed.key_id,
        chain=(made.leaf, *made.issuers),
        facts=parse(made.leaf),
    )


async def add_order(connection: Connection, domain_id: DomainId, *, key_id: KeyId, tenant: str = "") -> None:
    """Add an order of the domain, for which the key was made."""
    await connection.execute(
        "INSERT INTO provisioner.orders (id, domain_id, tenant, names, key_type, ca, reason, state, key_id) "
        "VALUES ($1, $2, $3, '{}', 'ecdsa', 'https://ca.example/directory', 'created', 'issued', $4)",
        new_order_id(),
        domain_id,
        tenant,
        key_id,
    )
