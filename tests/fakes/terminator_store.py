"""A store in memory, and domains for it, with certificates of a CA that only the tests trust."""

import datetime as dt
import ssl
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from certsmith.rotation.generation import generate
from dev.certificates import Authority
from services.terminator.control.default_certificate import make
from services.terminator.ports import Changes, Deployment, Snapshot
from services.terminator.rules.selection import Certificate, Domain
from shared.errors import StoreUnavailableError
from shared.identifiers import new_certificate_id, new_key_id
from shared.vault import KeyFiles, KeyReader, KeyWriter

if TYPE_CHECKING:
    import asyncio

TENANT = "acme-shops"


class MemoryStore:
    """A store whose rows are in a dictionary. *available* says whether it answers, *gate* when."""

    def __init__(self) -> None:
        self.rows: dict[str, Domain] = {}
        self.answers: dict[str, str] = {}
        self.changed: dict[str, int] = {}
        self.published: list[Deployment] = []
        self.available = True
        self.gate: asyncio.Event | None = None
        self.asked: list[frozenset[str]] = []
        self.asked_hosts: list[frozenset[str]] = []
        self.refused = 0
        self._version = 0

    def reset(self) -> None:
        """Remove all rows and thumbprints, and be available."""
        for name in list(self.rows):
            self.delete(name)
        self.answers.clear()
        self.published.clear()
        self.asked.clear()
        self.asked_hosts.clear()
        self.available, self.gate = True, None

    def put(self, domain: Domain) -> Domain:
        """Write *domain* as the next version of its row."""
        self._version += 1
        written = replace(domain, version=self._version)
        self.rows[domain.name] = written
        self.changed[domain.name] = self._version
        return written

    def delete(self, name: str) -> None:
        """Delete the row of *name*."""
        del self.rows[name]
        self._version += 1
        self.changed[name] = self._version

    async def domains(self, names: Collection[str]) -> Snapshot:
        """Read the rows of *names* now, but return them only once `gate`, if there is one, is set."""
        self.asked.append(frozenset(names))
        found = {name: self.rows[name] for name in names if name in self.rows}
        version = self._version
        await self._answers()
        return Snapshot(found, str(version))

    async def changed_since(self, xmin: str) -> Changes:
        """Return the domains that changed after the version *xmin*."""
        await self._answers()
        return Changes({n: v for n, v in self.changed.items() if v > int(xmin)}, str(self._version))

    async def thumbprints(self, hosts: Collection[str]) -> Mapping[str, str]:
        """Return the thumbprints of *hosts*."""
        self.asked_hosts.append(frozenset(hosts))
        await self._answers()
        return {host: self.answers[host] for host in hosts if host in self.answers}

    async def publish_deployed(self, deployments: Collection[Deployment]) -> None:
        """Record *deployments*."""
        await self._answers()
        self.published.extend(deployments)

    async def _answers(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if not self.available:
            self.refused += 1
            raise StoreUnavailableError("the test made the store unavailable")


class Issuer:
    """Makes domains with certificates whose keys are sealed as the provisioner seals them."""

    def __init__(self, folder: Path) -> None:
        generate(folder)
        files = KeyFiles(keys_dir=folder)
        self.reader: KeyReader = files.key_reader()
        self._writer: KeyWriter = files.key_writer("provisioner")

    def certificate(self, *names: str, tenant: str = TENANT, id: str | None = None) -> Certificate:  # noqa: A002
        """Return a certificate for *names*."""
        leaf_pem, key_pem = authority().issue(*names)
        leaf = x509.load_pem_x509_certificate(leaf_pem)
        key = load_pem_private_key(key_pem, None)
        sealed = self._writer.seal(
            key_id=new_key_id(),
            tenant=tenant,
            private_key_pkcs8=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            public_key_spki=key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        )
        return Certificate(
            id=id or new_certificate_id(),
            tenant=tenant,
            leaf=leaf.public_bytes(Encoding.DER),
            issuers=(),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            key=sealed,
        )

    def domain(self, name: str, upstream: str = "", *, certificate: Certificate | None = None) -> Domain:
        """Return a domain with a certificate of its own, or with *certificate*."""
        return a_domain(name, upstream, automatic=certificate or self.certificate(name))


def a_domain(
    name: str,
    upstream: str = "",
    *,
    named: Certificate | None = None,
    attached: Certificate | None = None,
    automatic: Certificate | None = None,
    terminate_tls: Mapping[str, object] | None = None,
    version: int = 1,
) -> Domain:
    return Domain(
        name=name,
        tenant=TENANT,
        version=version,
        changed_seconds_ago=0.0,
        upstream=upstream,
        terminate_tls=terminate_tls or {},
        named=named,
        attached=attached,
        automatic=automatic,
    )


def a_certificate(id: str, *, valid_from: dt.datetime, valid_to: dt.datetime) -> Certificate:  # noqa: A002
    return Certificate(id=id, tenant=TENANT, leaf=b"", issuers=(), not_before=valid_from, not_after=valid_to, key=None)


@cache
def authority() -> Authority:
    """Return the CA that signs all certificates of these tests."""
    return Authority.create("authority of the terminator's tests")


@cache
def default_certificate() -> tuple[tuple[bytes, ...], bytes]:
    """Return an untrusted self-signed certificate, with its key."""
    return make(dt.datetime.now(dt.UTC))


def trusting_context(*, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return a client's TLS context that trusts the tests' CA."""
    context = ssl.create_default_context(cadata=authority().pem.decode())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def careless_context() -> ssl.SSLContext:
    """Return a client's TLS context that accepts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
