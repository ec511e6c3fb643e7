"""The store: PostgreSQL, whose rows are the truth.

* `pool`: connections with the rights of one service. `connection`: their types.
* `failures`: turns PostgreSQL's passing failures into `StoreUnavailableError`.
* `roles`: the roles that services work as, and their logins.
* `migrations/`: the schema as numbered SQL files; `certsmith.migration.schema` applies them.
  `migrations/0002_grants.sql` and `docs/grants.md` say which role may do what.
* `leases`, `waking`: one holder at a time for a piece of work, and NOTIFY as an alarm clock.

The tables of the bus are in `shared.messaging` (outbox, inbox, dead letters), those of domains, certificates and
tenants in `shared.registry`. Functions with SQL receive a connection and work in the caller's transaction. Besides
their own errors only `StoreUnavailableError` arises, from the pool.
"""

from shared.store.connection import Connection, Row
from shared.store.failures import translated
from shared.store.pool import Pool, open_connection, open_pool
from shared.store.roles import ROLES, Role

__all__ = ["ROLES", "Connection", "Pool", "Role", "Row", "open_connection", "open_pool", "translated"]
