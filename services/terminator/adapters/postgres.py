"""The store on PostgreSQL: one query reads a whole batch of names, one transaction publishes a batch of deployments."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from services.terminator.ports import Changes, Deployment, Snapshot
from services.terminator.rules.selection import Certificate, Domain
from shared.errors import StoreUnavailableError
from shared.events import CertificateDeployed, Event
from shared.messaging import outbox
from shared.messaging.broker.names import source_of
from shared.registry.certificates import sealed_key_of
from shared.store import Pool, Row

SERVICE: Final = "terminator"
_CHAINS_KEPT: Final = 1000  # all leaves of one issuer share a chain, and issuers are few

# xmin is of the same snapshot as the rows. The outer join returns it even if no domain matches.
_DOMAINS: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin, domain.name, domain.tenant, domain.version,
    extract(epoch FROM clock_timestamp() - domain.updated_at)::float8 AS changed_seconds_ago,
    coalesce(domain.upstream, '') AS upstream, domain.terminate_tls,
    domain.attached_certificate_id, domain.automatic_certificate_id,
    certificate.id AS certificate_id, certificate.tenant AS certificate_tenant, certificate.leaf,
    certificate.chain_id, chain.certificates, certificate.not_before, certificate.not_after,
    key.id AS key_id, key.writer, key.format, key.signing_key_id, key.public_key, key.ciphertext, key.signature,
    wrap.vault_key_id, wrap.wrap
FROM (SELECT) AS always
LEFT JOIN registry.domains AS domain
    ON domain.name = ANY ($1::text[]) AND domain.holds_name AND domain.deleted_at IS NULL
LEFT JOIN registry.certificates AS certificate ON certificate.id = ANY (ARRAY[domain.attached_certificate_id,
    domain.automatic_certificate_id, domain.terminate_tls ->> 'server_certificate_id'])
LEFT JOIN registry.chains AS chain ON chain.id = certificate.chain_id
LEFT JOIN registry.keys AS key ON key.id = certificate.key_id
LEFT JOIN registry.key_wraps AS wrap ON wrap.key_id = key.id
"""
_CHANGED: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin, domain.name, max(domain.version) AS version
FROM (SELECT) AS always LEFT JOIN registry.domains AS domain ON domain.changed_xid >= $1::text::xid8
GROUP BY domain.name
"""
# If a name has several open orders, a CA is about to ask for the newest.
_THUMBPRINTS: Final = """
SELECT DISTINCT ON (name) name, answer FROM registry.challenges
WHERE name = ANY ($1::text[]) AND kind = 'http-01' AND expires_at > now()
ORDER BY name, created_at DESC
"""
_DEPLOY: Final = """
INSERT INTO terminator.deployments AS known (node, domain, certificate_id, version, latency_seconds)
SELECT $1, deployed.* FROM unnest($2::text[], $3::text[], $4::bigint[], $5::float8[]) AS deployed
ON CONFLICT (node, domain) DO UPDATE SET certificate_id = excluded.certificate_id, version = excluded.version,
    latency_seconds = excluded.latency_seconds, deployed_at = now()
WHERE known.version < excluded.version
RETURNING domain
"""


class PostgresStore:
    """The rows that the role `certsmith_terminator` may read. It is unavailable until it has a pool."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._pool: Pool | None = None
        self._chains: dict[bytes, tuple[bytes, ...]] = {}

    @contextmanager
    def using(self, pool: Pool) -> Iterator[None]:
        """Use *pool* while the block runs."""
        self._pool = pool
        try:
            yield
        finally:
            self._pool = None

    @property
    def is_waiting(self) -> bool:
        """Whether there is no pool yet."""
        return self._pool is None

    async def check(self) -> None:
        """Return if the database answers.

        Raises:
            StoreUnavailableError: it does not.
        """
        await self._ready_pool().check()

    async def domains(self, names: Collection[str]) -> Snapshot:
        """Return the domains among *names* that are registered, hold their name and are not deleted."""
        async with self._ready_pool().acquire() as connection:
            rows = await connection.fetch(_DOMAINS, list(names))
        by_name: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row["name"] is not None:
                by_name[row["name"]].append(row)
        return Snapshot({name: self._domain(found) for name, found in by_name.items()}, rows[0]["xmin"])

    async def changed_since(self, xmin: str) -> Changes:
        """Return the domains changed by transactions that a snapshot at *xmin* did not see, deleted ones included."""
        async with self._ready_pool().acquire() as connection:
            rows = await connection.fetch(_CHANGED, xmin)
        return Changes({row["name"]: row["version"] for row in rows if row["name"] is not None}, rows[0]["xmin"])

    async def thumbprints(self, hosts: Collection[str]) -> Mapping[str, str]:
        """Return the thumbprint that answers HTTP-01, for each of *hosts* that has an open order."""
        async with self._ready_pool().acquire() as connection:
            rows = await connection.fetch(_THUMBPRINTS, list(hosts))
        return {row["name"]: row["answer"] for row in rows}

    async def publish_deployed(self, deployments: Collection[Deployment]) -> None:
        """Record *deployments* of this node, and publish each that is newer than the one recorded before."""
        by_domain = {deployment.domain: deployment for deployment in deployments}
        # Rows are locked in the order of their names, so that concurrent calls cannot deadlock.
        ordered = sorted(by_domain.values(), key=lambda deployment: deployment.domain)
        async with self._ready_pool().transaction() as connection:
            newer = await connection.fetch(
                _DEPLOY,
                self._node,
                [deployment.domain for deployment in ordered],
                [deployment.certificate_id for deployment in ordered],
                [deployment.version for deployment in ordered],
                [deployment.latency_seconds for deployment in ordered],
            )
            for row in newer:
                event = self._event(by_domain[row["domain"]])
                await outbox.publish(connection, service=SERVICE, event=event)

    def _ready_pool(self) -> Pool:
        if self._pool is None:
            raise StoreUnavailableError("PostgreSQL has not answered yet, or its schema is missing")
        return self._pool

    def _event(self, deployment: Deployment) -> Event:
        return Event(
            source=source_of(SERVICE),
            cause=deployment.cause,
            data=CertificateDeployed(
                certificate_id=deployment.certificate_id,
                domain=deployment.domain,
                node=self._node,
                version=deployment.version,
                latency_seconds=round(deployment.latency_seconds, 6),
            ),
        )

    def _domain(self, rows: list[Row]) -> Domain:
        """Return the domain of *rows*, which are one for each of its certificates."""
        first = rows[0]
        certificates = {row["certificate_id"]: self._certificate(row) for row in rows if row["certificate_id"]}
        terms = first["terminate_tls"] or {}
        return Domain(
            name=first["name"],
            tenant=first["tenant"],
            version=first["version"],
            changed_seconds_ago=first["changed_seconds_ago"],
            upstream=first["upstream"],
            terminate_tls=terms,
            named=certificates.get(terms.get("server_certificate_id")),
            attached=certificates.get(first["attached_certificate_id"]),
            automatic=certificates.get(first["automatic_certificate_id"]),
        )

    def _certificate(self, row: Row) -> Certificate:
        return Certificate(
            id=row["certificate_id"],
            tenant=row["certificate_tenant"],
            leaf=row["leaf"],
            issuers=self._chain(row["chain_id"], row["certificates"]),
            not_before=row["not_before"],
            not_after=row["not_after"],
            key=None if row["wrap"] is None else sealed_key_of(row, key_id=row["key_id"]),  # None: erased
        )

    def _chain(self, chain_id: bytes, certificates: list[bytes]) -> tuple[bytes, ...]:
        """Return *certificates*, as one shared object for all leaves that have this chain."""
        chain = self._chains.get(chain_id)
        if chain is None or chain != tuple(certificates):
            if len(self._chains) >= _CHAINS_KEPT:
                self._chains.clear()
            chain = self._chains[chain_id] = tuple(certificates)
        return chain
