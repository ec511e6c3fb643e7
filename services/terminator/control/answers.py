"""Answers to the workers' questions."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

import structlog

from services.terminator import messages
from services.terminator.control.batches import Batches
from services.terminator.control.catalogue import Catalogue
from services.terminator.control.channel import Channel
from services.terminator.control.offers import OfferRefusedError, Offers
from services.terminator.metrics import STORE_READS_FAILED
from services.terminator.ports import Store
from services.terminator.rules.selection import Domain
from shared.errors import StoreUnavailableError
from shared.process.ipc import Message

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_NO_CERTIFICATE_SECONDS: Final = 30.0  # a hint arrives as soon as the name gets a certificate


class Answers:
    """Looks a name up, opens its key, and answers.

    Nothing is awaited between the look-up and the sending of the answer. So an answer that follows the `Drop` of a hint
    was always looked up after that hint.
    """

    def __init__(self, catalogue: Catalogue, offers: Offers, store: Store) -> None:
        self._catalogue = catalogue
        self._offers = offers
        self._store = store
        # Thumbprints are not cached: an answer must end with its order, and a CA may ask right after an order begins.
        self._challenges: Batches[str] = Batches(self._thumbprints)
        self._tasks: set[asyncio.Task[None]] = set()

    def on_question(self, channel: Channel, question: messages.Ask | messages.AskChallenge) -> None:
        """Look up the answer to *question* and send it on *channel*."""
        answer = self._answer if isinstance(question, messages.Ask) else self._answer_challenge
        task = asyncio.get_running_loop().create_task(answer(channel, question.number, question.name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Read the names that are asked for, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._catalogue.run())
                tasks.create_task(self._challenges.run())
        finally:
            for task in self._tasks:
                task.cancel()

    async def _answer(self, channel: Channel, number: int, name: str) -> None:
        answer: Message = messages.Refuse(number)
        try:
            domain = await self._catalogue.find(name)
            if domain is not None and self._offers.may_be_outdated(domain):
                await self._catalogue.reread(domain.name)
                domain = await self._catalogue.find(name)
            answer = self._answer_about(name, domain, number)
        except StoreUnavailableError:
            STORE_READS_FAILED.inc()
        except Exception:  # the edge: an unforeseen row must not leave a worker without an answer
            log.exception("name_not_answered", domain=name)
        channel.answer(answer)

    def _answer_about(self, name: str, domain: Domain | None, number: int) -> Message:
        if domain is None:
            return messages.UnknownName(number, self._catalogue.unknown_seconds(name))
        try:
            offer = self._offers.offer(domain)
        except OfferRefusedError:
            return messages.Refuse(number)
        if offer is None:
            return messages.UnknownName(number, _NO_CERTIFICATE_SECONDS)
        return messages.Serve(
            number=number,
            domain=domain.name,
            chain=offer.chain,
            key=offer.key,
            upstream=domain.upstream,
            lowest_version=offer.policy.lowest_version,
            highest_version=offer.policy.highest_version,
            seconds=offer.seconds,
        )

    async def _answer_challenge(self, channel: Channel, number: int, host: str) -> None:
        answer: Message = messages.Refuse(number)
        try:
            answer = messages.Thumbprint(number, await self._challenges.get(host) or "")
        except StoreUnavailableError:
            STORE_READS_FAILED.inc()
        channel.answer(answer)

    async def _thumbprints(self, hosts: Collection[str]) -> Mapping[str, str]:
        return await self._store.thumbprints(hosts)
