"""Reads from the registry which registration holds a name: the port `Registrations`."""

from dataclasses import dataclass

from services.provisioner.rules.preflight import Holding
from shared.identifiers import DomainId
from shared.registry import domains
from shared.store import Pool


@dataclass(frozen=True, slots=True)
class PostgresRegistrations:
    """Reads the registry's tables."""

    pool: Pool

    async def holding(self, domain_id: DomainId) -> Holding:
        """Return whether this domain, another one or none holds the name now."""
        async with self.pool.acquire() as connection:
            domain = await domains.get(connection, domain_id)
            is_free = not domain.holds_name and await domains.holder_of(connection, domain.name) is None
        return Holding(holds_name=domain.holds_name, is_free=is_free)
