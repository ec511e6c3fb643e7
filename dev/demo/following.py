"""Publishes `domain.created` for each name, and follows each until a visitor gets a verified answer from it."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr

from certsmith.actions.queues import look
from certsmith.database import operator_connection
from certsmith.publishing.requests import request_event
from certsmith.settings import OperatorSettings
from dev.demo.board import Board, Entry
from dev.demo.customer import OWN
from dev.demo.visitor import NotServedError, visit
from dev.demo.world import MOVING, ZONE, World
from dev.ports import LOOPBACK
from shared.events import JsonObject, Standing
from shared.identifiers import DomainId, cname_label
from shared.messaging.publisher import Publisher
from shared.registry.views import hosted, uploads
from shared.registry.views.model import HostedDomain
from shared.registry.views.standing import sentence_of, standing_of
from shared.store import Connection

_SECONDS: Final = 120.0
_FAREWELL_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.03
_FIGURES_SECONDS: Final = 0.5
_WAITING: Final = "waiting_dns"


def settings_of(world: World) -> OperatorSettings:
    """Return the demo's own settings for broker and database: those of an operator."""
    management = world.settings.get("AMQP_MANAGEMENT_URL")
    return OperatorSettings(
        amqp_url=SecretStr(world.settings["AMQP_URL"]),
        amqp_management_url=SecretStr(management) if management else None,
        database_url=SecretStr(world.settings["DATABASE_URL"]),
    )


async def follow(world: World, board: Board, upstream: str) -> None:
    """Publish a request for each entry of *board*, to be served from *upstream*; return when all are finished."""
    settings = settings_of(world)
    async with operator_connection(settings.database_url.get_secret_value()) as connection:
        async with Publisher(settings.amqp_url.get_secret_value(), name="certsmith demo") as publisher:
            for entry in board.entries:
                board.publish(entry)
                await publisher.publish(request_event("domain.created", _request(world, entry, upstream)))
        following = Following(world=world, board=board, connection=connection, trust=world.trust)
        counting = asyncio.create_task(_count(settings, board))
        try:
            await following.run()
        finally:
            counting.cancel()
            with suppress(asyncio.CancelledError):
                await counting
        board.figures = await look(settings)


def _request(world: World, entry: Entry, upstream: str) -> JsonObject:
    more = world.customer.request if world.customer is not None and entry.name == OWN else {}
    return {"domain": entry.shown, "upstream": upstream, **more}


async def take_away(world: World) -> None:
    """Delete everything that the demo created in a given database; return when that is done or takes too long."""
    settings = settings_of(world)
    async with (
        asyncio.timeout(_FAREWELL_SECONDS),
        operator_connection(settings.database_url.get_secret_value()) as connection,
        Publisher(settings.amqp_url.get_secret_value(), name="certsmith demo") as publisher,
    ):
        for name in world.names:
            await publisher.publish(request_event("domain.deleted", {"domain": name}))
        for name in world.names.values():
            while any(found.deleted_at is None for found in await hosted.named(connection, name, tenant="")):
                await asyncio.sleep(_POLL_SECONDS)
        if world.customer is not None:
            wanted = world.customer.certificate_id
            await publisher.publish(request_event("certificate.deletion_requested", {"certificate_id": wanted}))
            while (found := await uploads.named(connection, wanted)) is not None and found.certificate is not None:
                await asyncio.sleep(_POLL_SECONDS)


async def _count(settings: OperatorSettings, board: Board) -> None:
    while True:
        board.figures = await look(settings)
        await asyncio.sleep(_FIGURES_SECONDS)


@dataclass(slots=True, kw_only=True)
class Following:
    """Polls the store until all entries are finished."""

    world: World
    board: Board
    connection: Connection
    trust: ssl.SSLContext
    has_moved: bool = False

    async def run(self) -> None:
        """Follow all entries."""
        loop = asyncio.get_running_loop()
        late = loop.time() + _SECONDS
        while self.board.open:
            for entry in self.board.open:
                await self._look(entry)
                if loop.time() > late:
                    self.board.fail(entry, f"not served in {_SECONDS:.0f} s: {entry.state}, {entry.sentence}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self, entry: Entry) -> None:
        found = await hosted.named(self.connection, entry.name, tenant="")
        if not found:
            return
        domain, now = found[0], datetime.now(UTC)
        if standing_of(domain, now=now) is Standing.SERVING:
            await self._visit(entry)
        elif domain.order is not None and domain.order.is_finished and not domain.order.is_issued:
            self.board.fail(entry, sentence_of(domain, now=now))
        elif domain.order is not None:
            self.board.move(entry, domain.order.state, sentence_of(domain, now=now))
            if domain.order.state == _WAITING and entry.name == MOVING:
                await self._move_here(domain)

    async def _visit(self, entry: Entry) -> None:
        customer = self.world.customer
        trust = customer.trust if customer is not None and entry.name == OWN else self.trust
        try:
            self.board.serve(entry, await visit(entry.name, self.world.https, trust))
        except NotServedError as error:
            self.board.move(entry, "unreachable", str(error))

    async def _move_here(self, domain: HostedDomain) -> None:
        """Add the requested DNS record: make the domain an alias of its own target."""
        if self.has_moved or self.world.dns is None:
            return
        self.has_moved = True
        target = f"{cname_label(DomainId(domain.id))}.{ZONE}"
        await self.world.dns.clear(domain.name)
        await self.world.dns.set_a(target, LOOPBACK)
        await self.world.dns.set_cname(domain.name, target)
        self.board.note(f"{domain.name} pointed elsewhere; its owner now adds the CNAME record")
