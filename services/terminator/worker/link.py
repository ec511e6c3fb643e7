"""The worker's end of the socket to its control process."""

import asyncio
import functools
from collections.abc import Callable
from typing import Protocol, cast

from OpenSSL import SSL

from services.terminator import wire
from services.terminator.figures import Count, Figures
from services.terminator.frames import FrameError, Frames, Message, encode
from services.terminator.worker.contexts import Contexts, Entry
from services.terminator.worker.log import complain
from services.terminator.worker.unshown import Unshown


class NameWaiter(Protocol):
    """Who asked what is served for a name; is told one of the two, once."""

    def chosen(self, entry: Entry) -> None:
        """Go on with *entry*."""

    def refused(self) -> None:
        """Refuse the client: nobody knows, or it must not be served."""


class ChallengeWaiter(Protocol):
    """Who asked whose HTTP-01 answer stands for a host; is told one of the two, once."""

    def answered(self, thumbprint: str) -> None:
        """Answer with *thumbprint*; empty when none stands."""

    def refused(self) -> None:
        """Ask the client to come again: nobody knows now."""


class ControlLink(asyncio.Protocol):
    """Asks the control process for names, one question for all who wait for the same, and does what it says."""

    def __init__(
        self, *, contexts: Contexts, unshown: Unshown, figures: Figures, on_drain: Callable[[float | None], None]
    ) -> None:
        self._contexts = contexts
        self._unshown = unshown
        self._figures = figures
        self._on_drain = on_drain
        self._frames = Frames(wire.FROM_CONTROL)
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._asked: dict[int, str] = {}
        self._waiting: dict[str, list[NameWaiter]] = {}
        self._challenges: dict[int, str] = {}
        self._hosts: dict[str, list[ChallengeWaiter]] = {}

    def ask(self, name: str, waiter: NameWaiter) -> None:
        """Tell *waiter* what is served for *name*, as soon as that is known."""
        if name in self._waiting:
            self._waiting[name].append(waiter)
            return
        self._waiting[name] = [waiter]
        self._number += 1
        self._asked[self._number] = name
        self.say(wire.Ask(self._number, name))

    def ask_challenge(self, host: str, waiter: ChallengeWaiter) -> None:
        """Tell *waiter* whose HTTP-01 answer stands for *host*."""
        if host in self._hosts:
            self._hosts[host].append(waiter)
            return
        self._hosts[host] = [waiter]
        self._number += 1
        self._challenges[self._number] = host
        self.say(wire.AskChallenge(self._number, host))

    def say(self, message: Message) -> None:
        """Tell the control process."""
        if self._transport is not None:
            self._transport.write(encode(message))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Serve who is connected and end: without a control process nothing new can be known."""
        self._transport = None
        waiting: list[NameWaiter | ChallengeWaiter] = [item for items in self._waiting.values() for item in items]
        waiting += [item for items in self._hosts.values() for item in items]
        for waiter in waiting:
            waiter.refused()
        self._waiting.clear()
        self._hosts.clear()
        self._on_drain(None)

    def data_received(self, data: bytes) -> None:
        """Do what the control process says."""
        try:
            messages = self._frames.feed(data)
        except FrameError as error:
            complain("control_process_not_understood", reason=str(error))
            assert self._transport is not None
            self._transport.abort()
            return
        for message in messages:
            self._on_message(message)

    def _on_message(self, message: Message) -> None:
        match message:
            case wire.Serve() | wire.NotOurs():
                self._on_answer(message)
            case wire.Thumbprint():
                for waiter in self._hosts.pop(self._challenges.pop(message.number), []):
                    waiter.answered(message.text)
            case wire.Refuse():
                self._on_refusal(message.number)
            case wire.Drop():
                self._contexts.drop(message.domain)
                self._unshown.when_shown(message.domain, functools.partial(self.say, wire.Dropped(message.number)))
            case wire.Drain():
                self._on_drain(message.seconds)
            case _:
                raise AssertionError(message)

    def _on_answer(self, message: wire.Serve | wire.NotOurs) -> None:
        name = self._asked.pop(message.number)
        waiters = self._waiting.pop(name, ())
        now = asyncio.get_running_loop().time()
        try:
            if isinstance(message, wire.Serve):
                entry = self._contexts.serve(name, message, now)
                self._figures.add(Count.CONTEXTS_BUILT)
            else:
                entry = self._contexts.set_nobodys(name, message, now)
        except (ValueError, SSL.Error) as error:
            # One bad certificate harms nobody else; of the error only its kind, for it may quote what it read.
            complain("certificate_not_loaded", domain=name, reason=type(error).__name__)
            for waiter in waiters:
                waiter.refused()
            return
        for waiter in waiters:
            waiter.chosen(entry)

    def _on_refusal(self, number: int) -> None:
        name, host = self._asked.pop(number, None), self._challenges.pop(number, None)
        waiters = [*self._waiting.pop(name, ())] if name is not None else [*self._hosts.pop(host or "", ())]
        for waiter in waiters:
            waiter.refused()
