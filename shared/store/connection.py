"""The types of a connection and of a row, as the whole project names them.

Queries receive their values as `$1`, `$2`, …, never inside the text.
"""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Row: TypeAlias = asyncpg.Record

# From a pool, or opened for one task; only one task at a time uses it. (asyncpg's classes are generic for type
# checkers only.)
if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[Row] | PoolConnectionProxy[Row]
else:
    Connection = asyncpg.Connection | PoolConnectionProxy
