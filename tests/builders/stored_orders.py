"""Orders for certificates in the database, with their domains."""

from datetime import timedelta

import asyncpg

from shared.identifiers import DomainId, new_domain_id, new_order_id


async def store_orders(database_url: str, *waits: tuple[str, timedelta]) -> list[DomainId]:
    """Store an order for each of *waits*, a tenant and the time until its order is due; return their domains."""
    connection = await asyncpg.connect(database_url)
    ids = [new_domain_id() for _ in waits]
    names = [f"shop-{number}.example.com" for number in range(len(waits))]
    tenants = [tenant for tenant, _ in waits]
    await connection.execute(
        "INSERT INTO registry.domains (id, tenant, name, holds_name, requested_at) "
        "SELECT id, tenant, name, true, now() FROM unnest($1::text[], $2::text[], $3::text[]) AS t (id, tenant, name)",
        ids,
        tenants,
        names,
    )
    await connection.execute(
        "INSERT INTO provisioner.orders (id, domain_id, tenant, names, key_type, ca, reason, state, next_attempt_at) "
        "SELECT id, domain_id, tenant, ARRAY[name], 'ecdsa', 'https://ca', 'created', 'waiting_dns', now() + wait "
        "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::interval[]) "
        "AS t (id, domain_id, tenant, name, wait)",
        [new_order_id() for _ in waits],
        ids,
        tenants,
        names,
        [wait for _, wait in waits],
    )
    await connection.execute("ANALYZE provisioner.orders")
    await connection.close()
    return ids
