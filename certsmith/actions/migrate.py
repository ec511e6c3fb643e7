"""`certsmith migrate`: creates everything that services need in the database and on the broker."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar, cast

from rich.text import Text

from certsmith.broker import amqp_url_of, management_url_of
from certsmith.database import advising
from certsmith.exits import ExitCode
from certsmith.migration import principals
from certsmith.migration.schema import Migrated, migrate
from certsmith.settings import MigrationSettings, shown
from certsmith.terminal import Terminal
from shared.errors import TransientError
from shared.messaging.broker import topology
from shared.settings import load

if TYPE_CHECKING:
    from shared.store import Role

T = TypeVar("T")

_PAUSE_SECONDS: Final = 0.5


def migrate_all(terminal: Terminal, *, wait_seconds: float) -> ExitCode:
    """Bring database and broker up to date and show what was done."""
    asyncio.run(_migrate_all(load(MigrationSettings), terminal, until=time.monotonic() + wait_seconds))
    return ExitCode.DONE


async def _migrate_all(settings: MigrationSettings, terminal: Terminal, *, until: float) -> None:
    database_url = settings.database_url.get_secret_value()
    amqp_url, management_url = amqp_url_of(settings), management_url_of(settings)
    logins = cast("dict[Role, str]", settings.own("database_url"))
    users = settings.own("amqp_url")

    with advising(database_url):
        migrated = await _until_there(lambda: migrate(database_url, service_urls=logins), until=until)
    terminal.say(_of_database(migrated, shown(database_url), tuple(logins)))
    await _until_there(lambda: topology.declare(amqp_url, management_url), until=until)
    await principals.permit(amqp_url, management_url, users)
    queues = topology.all_queues()
    terminal.say(_line("broker", f"{len(queues)} queues are declared", shown(amqp_url), tuple(users)))
    terminal.show(
        {
            "schema": {"version": migrated.version, "applied": migrated.applied, "logins": tuple(logins)},
            "broker": {"queues": queues, "users": tuple(users)},
        },
        "everything is up to date",
    )


async def _until_there(work: Callable[[], Awaitable[T]], *, until: float) -> T:
    """Return the result of *work*; while the server does not answer, retry until the time *until*."""
    while True:
        try:
            return await work()
        except TransientError:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


def _of_database(migrated: Migrated, where: str, logins: tuple[str, ...]) -> Text:
    applied = f", applied {', '.join(migrated.applied)}" if migrated.applied else ""
    return _line("database", f"schema is at version {migrated.version}{applied}", where, logins)


def _line(what: str, sentence: str, where: str, users: tuple[str, ...]) -> Text:
    made = f"; users with rights of their own: {', '.join(users)}" if users else ""
    return Text.assemble((f"{what:<9}", "dim"), f"{sentence}{made}  ", (where, "dim"))
