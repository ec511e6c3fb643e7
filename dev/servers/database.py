"""A running PostgreSQL server, reached by the address of a role that may create databases."""

import secrets
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg


class DatabaseServer:
    """A server with an administrator's login, and the operations that tests need."""

    def __init__(self, url: str) -> None:
        self.url: Final = url

    def url_of(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """Return the address of *database*, for the administrator or for *user*."""
        parts = urlsplit(self.url)
        netloc = parts.netloc
        if user is not None:
            login = quote(user, safe="") + (f":{quote(password, safe='')}" if password is not None else "")
            netloc = f"{login}@{netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{quote(database, safe='')}"))

    async def create_database(self, name: str | None = None, *, template: str | None = None) -> str:
        """Create a database, empty or a copy of *template*, and return its address."""
        name = name or f"test_{secrets.token_hex(6)}"
        await self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}"')
        return self.url_of(name)

    async def drop_database(self, url: str) -> None:
        """Drop the database at *url*, even if clients are still connected to it."""
        await self.execute(f'DROP DATABASE IF EXISTS "{urlsplit(url).path[1:]}" WITH (FORCE)')

    async def execute(self, statement: str) -> None:
        """Run one statement as the administrator."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def answers(self) -> bool:
        """Whether the administrator can log in."""
        try:
            await self.execute("SELECT 1")
        except (TimeoutError, OSError, asyncpg.PostgresError):
            return False
        return True
