"""The store: PostgreSQL, which holds the truth.

`pool` gives connections with the rights of one service, `migrate` brings the schema up to date, `roles` says who there
is; `migrations/0002_grants.sql` and `docs/grants.md` say who may do what. One module for each subject knows the SQL
that several services share: `domains`, `certificates`, `outbox`, `inbox`, `dead_letters`, `leases`, `views`;
`resealing` is the keeper's.

Functions take a connection and work in the caller's transaction. What they raise besides their own errors is
`StoreUnavailableError`, by way of the pool.
"""

from shared.store.connection import Connection, Row
from shared.store.failures import translated
from shared.store.pool import Pool, open_connection, open_pool
from shared.store.roles import ROLES, Role

__all__ = ["ROLES", "Connection", "Pool", "Role", "Row", "open_connection", "open_pool", "translated"]
