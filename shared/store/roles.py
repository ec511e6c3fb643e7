"""The roles that the services work as, and their logins.

Roles belong to the whole PostgreSQL cluster, tables to one database: several databases share the roles, and several
`certsmith migrate` may create them at once. Everything here may be repeated, and run concurrently.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import unquote, urlsplit

import asyncpg

from shared.errors import PermanentError, SettingsError
from shared.store.connection import Connection

Role = Literal["provisioner", "validator", "terminator", "api", "keeper", "operator"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
_ATTEMPTS: Final = 20
_SCRAM_ITERATIONS: Final = 4096  # RFC 7677 section 4: the least number
_SET_ROLE_GRANTS: Final = 16_00_00  # since PostgreSQL 16 a membership may lack the right to SET ROLE


class RoleError(PermanentError):
    """A role cannot be created, or has rights that a service must not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The user that a service logs in as, from its own database address."""

    role: Role
    user: str
    password: str | None

    def __repr__(self) -> str:
        return f"Login(role={self.role!r}, user={self.user!r})"


def role_name(role: Role) -> str:
    """Return the name of *role* in PostgreSQL."""
    return f"certsmith_{role}"


def login_of(role: Role, url: str) -> Login | None:
    """Return the login that *url* names; None if it names no user."""
    parts = urlsplit(url)
    if not parts.username:
        return None
    password = None if parts.password is None else unquote(parts.password)
    if password is not None and not password.isascii():
        raise SettingsError(f"{role.upper()}_DATABASE_URL: the password must consist of ASCII characters")
    return Login(role=role, user=unquote(parts.username), password=password)


async def ensure_roles(connection: Connection) -> None:
    """Create every role that is missing, and permit the user of *connection* to work as each of them.

    Raises:
        RoleError: the user may not create roles, or a role has rights that no service may have.
    """
    for role in ROLES:
        await _ensure_role(connection, role_name(role))
        await _ensure_member(connection, role_name(role), user=None)


async def ensure_login(connection: Connection, login: Login) -> None:
    """Permit *login* to log in with the rights of its role.

    The role itself becomes a login with the given password. Any other user must exist already, and becomes a member.

    Raises:
        RoleError: there is no such user.
    """
    name = role_name(login.role)
    if login.user == await connection.fetchval("SELECT session_user::text"):
        return
    if login.user != name:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", login.user):
            raise RoleError(
                f"{login.role.upper()}_DATABASE_URL names the user {login.user!r}, which does not exist: "
                f"use {name}, which is created for you, or create it first"
            )
        await _ensure_member(connection, name, user=login.user)
        return
    secret = "" if login.password is None else f" PASSWORD '{scram_verifier(login.password)}'"
    await _racing(connection, f'ALTER ROLE "{name}" LOGIN{secret}')


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores for *password* (RFC 5803), so that the password itself is in no server's log."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = base64.b64encode(hashlib.sha256(client_key).digest()).decode()
    server_key = base64.b64encode(hmac.digest(salted, b"Server Key", "sha256")).decode()
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{base64.b64encode(salt).decode()}${stored_key}:{server_key}"


async def _ensure_role(connection: Connection, name: str) -> None:
    attributes = "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication FROM pg_roles WHERE rolname = $1"
    is_mighty = await connection.fetchval(attributes, name)
    if is_mighty is None:
        await _racing(connection, f'CREATE ROLE "{name}" NOLOGIN')
    elif is_mighty:
        raise RoleError(
            f"the role {name} is a superuser, bypasses row security, or may create roles or replicate; "
            f"a service must not: ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION"
        )


async def _ensure_member(connection: Connection, name: str, *, user: str | None) -> None:
    """Permit *user* (None: the user of the connection) to work as the role *name*."""
    version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
    kind = "SET" if version >= _SET_ROLE_GRANTS else "MEMBER"
    member = user or await connection.fetchval("SELECT session_user::text")
    if not await connection.fetchval("SELECT pg_has_role($1, $2, $3)", member, name, kind):
        quoted = await connection.fetchval("SELECT quote_ident($1)", member)
        await _racing(connection, f'GRANT "{name}" TO {quoted}')


async def _racing(connection: Connection, statement: str) -> None:
    """Run *statement* about a role, which a migration of another database may be running too."""
    for attempt in range(_ATTEMPTS):
        try:
            await connection.execute(statement)
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            return  # the other one was faster
        except asyncpg.InternalServerError:  # "tuple concurrently updated"; the other has finished by then
            if attempt == _ATTEMPTS - 1:
                raise
        except asyncpg.InsufficientPrivilegeError as error:
            raise RoleError(
                f"this database user may not create the roles of Certsmith ({error}): "
                "migrate as a user that owns the database and has CREATEROLE"
            ) from error
        else:
            return
