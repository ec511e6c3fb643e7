"""What a worker may be given for a name: the certificate that the rules choose, with its key opened, or a refusal.

The rows are not believed where it matters. The key must be signed by a writer that we know, for this tenant and this
public key (`shared.vault`); the leaf itself must have that public key and cover the domain, and be of its tenant. So
rows cannot be swapped, copied or forged by who can write the tables. A worker's OpenSSL then checks that the opened key
is the leaf's. A name whose key is refused fails; no other does.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from services.terminator.metrics import KEYS_REFUSED
from services.terminator.rules.selection import Certificate, Domain, NotServableError, Policy, choose, policy_of
from shared.certificates import UnreadableCertificateError, covers, parse
from shared.errors import PermanentError, SealError
from shared.tls import MAX_CHAIN_BYTES, shown_bytes
from shared.vault import KeyReader

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_REFUSED_SECONDS: Final = 30.0  # a refusal is believed, and not logged again; a new version of the row ends it
_REFUSED_KEPT: Final = 10_000


class OfferRefusedError(PermanentError):
    """What the row asks for must not be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """All that a worker needs for a domain, for *seconds*; nothing of it is kept here."""

    certificate_id: str
    chain: tuple[bytes, ...] = field(repr=False)
    key: bytes = field(repr=False)
    policy: Policy
    seconds: float


class Offers:
    """Opens keys with the vault's secret."""

    def __init__(self, reader: KeyReader, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._now = now
        self._refused: OrderedDict[tuple[str, int], float] = OrderedDict()  # until when

    def offer(self, domain: Domain) -> Offer | None:
        """Return what is served for *domain*; None when it has no certificate yet.

        Raises:
            OfferRefusedError: it must not be served; why stands in the log.
        """
        loop_time = asyncio.get_running_loop().time()
        if self._refused.get((domain.name, domain.version), 0.0) > loop_time:
            raise OfferRefusedError(f"{domain.name} was refused a moment ago")
        certificate, seconds = choose(domain, now=self._now())
        try:
            policy = policy_of(domain)
            if certificate is None:
                return None
            chain, key = _chain_of(certificate), self._open(certificate, domain)
        except (SealError, NotServableError) as error:
            self._refuse(domain, certificate, error, until=loop_time + _REFUSED_SECONDS)
            raise OfferRefusedError(str(error)) from None
        return Offer(certificate_id=certificate.id, chain=chain, key=key, policy=policy, seconds=seconds)

    def may_be_outdated(self, domain: Domain) -> bool:
        """Say whether the key of *domain* is sealed or signed with a ring key that is not here.

        It may have been sealed anew since its row was read: a rotation changes no version, and gives no hint. Who was
        refused a moment ago is not looked at again.
        """
        if self._refused.get((domain.name, domain.version), 0.0) > asyncio.get_running_loop().time():
            return False
        certificate, _ = choose(domain, now=self._now())
        key = None if certificate is None else certificate.key
        return key is not None and not self._reader.has_keys_for(key)

    def _open(self, certificate: Certificate, domain: Domain) -> bytes:
        if certificate.key is None:
            raise SealError(f"the key of {certificate.id} was erased")
        try:
            facts = parse(certificate.leaf)
        except UnreadableCertificateError as error:
            raise SealError(f"the leaf of {certificate.id} cannot be read: {error}") from None
        if certificate.tenant != domain.tenant:
            raise SealError(f"{certificate.id} is of tenant {certificate.tenant!r}, {domain.name} of {domain.tenant!r}")
        if not covers(facts.names, domain.name):
            raise SealError(f"{certificate.id} does not cover {domain.name}")
        if facts.public_key_spki != certificate.key.public_key:
            raise SealError(f"the key {certificate.key.key_id} is not that of the leaf of {certificate.id}")
        return self._reader.open(certificate.key, tenant=domain.tenant)

    def _refuse(self, domain: Domain, certificate: Certificate | None, error: PermanentError, *, until: float) -> None:
        is_sealed = isinstance(error, SealError)
        KEYS_REFUSED.inc(int(is_sealed))
        log.warning(
            "sealed_key_refused" if is_sealed else "domain_not_servable",
            domain=domain.name,
            version=domain.version,
            certificate_id=None if certificate is None else certificate.id,
            reason=str(error),
        )
        self._refused[domain.name, domain.version] = until
        self._refused.move_to_end((domain.name, domain.version))
        if len(self._refused) > _REFUSED_KEPT:
            self._refused.popitem(last=False)


def _chain_of(certificate: Certificate) -> tuple[bytes, ...]:
    chain = (certificate.leaf, *certificate.issuers)
    size = shown_bytes(chain)
    if size > MAX_CHAIN_BYTES:
        raise NotServableError(f"the chain of {certificate.id} has {size} bytes; no client takes so many")
    return chain
