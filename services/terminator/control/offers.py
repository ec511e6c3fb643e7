"""Offers: the certificate that the rules choose for a name, with its key opened; or a refusal.

Rows are not trusted. The key must be signed by a known writer for this tenant and this public key (`shared.vault`). The
leaf must have that public key, cover the domain and belong to its tenant. So someone who can write the tables cannot
swap, copy or forge rows. A worker's OpenSSL then checks that the opened key belongs to the leaf. A refused key affects
only its own name.
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

_REFUSED_SECONDS: Final = 30.0  # a refusal is repeated without a log line, unless the row has a new version
_REFUSED_KEPT: Final = 10_000


class OfferRefusedError(PermanentError):
    """The domain must not be served as its row says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Everything that a worker needs to serve a domain for *seconds*. The control process does not keep it."""

    certificate_id: str
    chain: tuple[bytes, ...] = field(repr=False)
    key: bytes = field(repr=False)
    policy: Policy
    seconds: float


class Offers:
    """Makes offers, opening keys with the vault's secret."""

    def __init__(self, reader: KeyReader, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._now = now
        self._refused: OrderedDict[tuple[str, int], float] = (
            OrderedDict()
        )  # by domain and version: valid until (loop time)

    def offer(self, domain: Domain) -> Offer | None:
        """Return the offer for *domain*; None when it has no certificate yet.

        Raises:
            OfferRefusedError: it must not be served; the log has the reason.
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
        """Return whether the key of *domain* is sealed or signed with a ring key that this process does not have.

        A rotation may have resealed it since its row was read; that changes no version and sends no hint. The answer is
        False for a domain that was refused a moment ago.
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
            raise SealError(f"the key {certificate.key.key_id} does not belong to the leaf of {certificate.id}")
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
        raise NotServableError(
            f"the chain of {certificate.id} has {size} bytes; clients accept at most {MAX_CHAIN_BYTES}"
        )
    return chain
