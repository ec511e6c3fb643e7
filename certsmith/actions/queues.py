"""`certsmith queues`: work that waits on the broker and in the database.

If one of the two does not answer, the numbers of the other are shown all the same.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from certsmith.broker import amqp_url_of, management_url_of
from certsmith.database import operator_connection
from certsmith.exits import ExitCode
from certsmith.failures import without_passwords
from certsmith.settings import OperatorSettings
from certsmith.terminal import Terminal, facts, table
from shared.errors import BrokerUnavailableError, StoreUnavailableError
from shared.messaging import dead_letters, outbox
from shared.messaging.broker import topology
from shared.messaging.broker.management import QueueStatistics, statistics
from shared.messaging.outbox import OutboxStatistics
from shared.registry.views import backlog
from shared.registry.views.backlog import OrderCounts
from shared.settings import load

_OLD_SECONDS: Final = 10.0  # of an event in the outbox: a relay sends within milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBacklog:
    """Work that waits in the database."""

    dead_letters: dict[str, int]
    outbox: tuple[OutboxStatistics, ...]
    orders: OrderCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Work that waits at one instant; None where a server did not answer: *problems* says why."""

    at: datetime
    queues: tuple[QueueStatistics, ...] | None
    store: StoreBacklog | None
    problems: tuple[str, ...]

    @property
    def document(self) -> dict[str, object]:
        """The backlog as JSON."""
        return {
            "at": self.at,
            "queues": None if self.queues is None else [asdict(each) for each in self.queues],
            "dead_letters": None if self.store is None else self.store.dead_letters,
            "outbox": None if self.store is None else [self._outbox(each) for each in self.store.outbox],
            "orders": None if self.store is None else asdict(self.store.orders),
            "problems": self.problems,
        }

    def _outbox(self, waiting: OutboxStatistics) -> dict[str, object]:
        return {**asdict(waiting), "oldest_seconds": round((self.at - waiting.oldest_at).total_seconds(), 3)}


def show_queues(terminal: Terminal, *, every_seconds: float | None) -> ExitCode:
    """Show the backlog, once or every *every_seconds*; the exit code says whether both servers answered."""
    settings = load(OperatorSettings)
    if every_seconds is not None:
        asyncio.run(_watch(settings, terminal, every_seconds))
    found = asyncio.run(look(settings))
    terminal.show(found.document, shown(found))
    return ExitCode.UNAVAILABLE if found.problems else ExitCode.DONE


async def look(settings: OperatorSettings) -> Backlog:
    """Return the backlog now."""
    (queues, broker_problem), (store, store_problem) = await asyncio.gather(_of_broker(settings), _of_store(settings))
    problems = tuple(problem for problem in (broker_problem, store_problem) if problem)
    return Backlog(at=datetime.now(UTC), queues=queues, store=store, problems=problems)


def shown(found: Backlog) -> RenderableType:
    """Return *found* as tables for people."""
    parts: list[RenderableType] = []
    if found.queues is not None:
        parts += [table("queue", "ready", "unacked", "consumers", rows=map(_row, found.queues)), ""]
    if found.store is not None:
        parts.append(facts(_facts(found, found.store)))
    parts += [Text(problem, "red") for problem in found.problems]
    return Group(*parts)


async def _watch(settings: OperatorSettings, terminal: Terminal, every_seconds: float) -> None:
    """Show the backlog repeatedly: in place on a terminal, else one after another."""
    if terminal.as_json or not terminal.out.is_terminal:
        while True:
            found = await look(settings)
            terminal.show(found.document, Text(f"{found.at:%H:%M:%S} UTC", "dim"), shown(found), "", compact=True)
            await asyncio.sleep(every_seconds)
    with Live(console=terminal.out, auto_refresh=False) as live:
        while True:
            found = await look(settings)
            live.update(Group(shown(found), Text(f"at {found.at:%H:%M:%S} UTC; Ctrl-C to stop", "dim")), refresh=True)
            await asyncio.sleep(every_seconds)


async def _of_broker(settings: OperatorSettings) -> tuple[tuple[QueueStatistics, ...] | None, str | None]:
    try:
        return await statistics(management_url_of(settings), amqp_url_of(settings), topology.all_queues()), None
    except BrokerUnavailableError as error:
        return None, without_passwords(str(error))


async def _of_store(settings: OperatorSettings) -> tuple[StoreBacklog | None, str | None]:
    try:
        async with operator_connection(settings.database_url.get_secret_value()) as connection:
            return StoreBacklog(
                dead_letters=await dead_letters.count_waiting(connection),
                outbox=await outbox.statistics(connection),
                orders=await backlog.orders(connection),
            ), None
    except StoreUnavailableError as error:
        return None, without_passwords(str(error))


def _row(queue: QueueStatistics) -> tuple[Text, ...]:
    name = Text(queue.name, "bold" if queue.ready or queue.unacked else "")
    unacked = "?" if queue.unacked is None else str(queue.unacked)
    has_no_consumer = queue.ready and not queue.consumers
    return name, Text(str(queue.ready)), Text(unacked), Text(str(queue.consumers), "red" if has_no_consumer else "")


def _facts(found: Backlog, store: StoreBacklog) -> list[tuple[str, RenderableType]]:
    letters = ", ".join(f"{count} of {service}" for service, count in sorted(store.dead_letters.items()))
    orders = store.orders
    oldest = f", the oldest since {orders.oldest_due_at:%H:%M:%S} UTC" if orders.oldest_due_at else ""
    of_orders = (
        f"{orders.due} due{oldest}, {orders.in_hand} in progress, {orders.waiting} waiting for a later attempt, "
        f"{orders.ended} failed"
    )
    return [
        (
            "dead letters",
            Text(f"{letters}; see `certsmith dead-letters list`" if letters else "none", "red" * bool(letters)),
        ),
        ("outbox", _of_outbox(found, store)),
        ("orders", of_orders),
    ]


def _of_outbox(found: Backlog, store: StoreBacklog) -> Text:
    if not store.outbox:
        return Text("empty")
    text = Text()
    for each in store.outbox:
        age = (found.at - each.oldest_at).total_seconds()
        text.append(f"{', ' if text else ''}{each.waiting} of {each.service}, the oldest ")
        text.append(f"{age:.1f} s", "red" if age > _OLD_SECONDS else "")
    return text
