"""The worker's end of the socket to its control process."""

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar, cast

from OpenSSL import SSL

from services.terminator import messages as wire
from services.terminator.counters import Count, Figures
from services.terminator.worker.log import complain, complain_of
from services.terminator.worker.tls.contexts import Contexts, Entry
from services.terminator.worker.tls.pending_handshakes import Unshown
from shared.process.ipc import FrameError, Frames, Message, encode


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


W = TypeVar("W")


class _Questions(Generic[W]):
    """Who waits for the answer to which question about a name; there is one question at a time about each."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[W]] = {}
        self._names: dict[int, str] = {}

    def add(self, name: str, waiter: W) -> bool:
        """Let *waiter* wait; return whether the question is still to be asked."""
        is_new = name not in self._waiting
        self._waiting.setdefault(name, []).append(waiter)
        return is_new

    def asked(self, number: int, name: str) -> None:
        """The question about *name* is now asked, under *number*."""
        self._names[number] = name

    def answered(self, number: int) -> tuple[str, list[W]]:
        """Return what the question of *number* was about and who waits for it, and forget it."""
        name = self._names.pop(number, "")
        return name, self._waiting.pop(name, [])

    def give_up(self) -> list[W]:
        """Return all who wait, and forget all."""
        waiters = [waiter for waiters in self._waiting.values() for waiter in waiters]
        self._waiting.clear()
        self._names.clear()
        return waiters


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
        self._names: _Questions[NameWaiter] = _Questions()
        self._challenges: _Questions[ChallengeWaiter] = _Questions()

    def ask(self, name: str, waiter: NameWaiter) -> None:
        """Tell *waiter* what is served for *name*, as soon as that is known."""
        if self._transport is None:
            waiter.refused()
        elif self._names.add(name, waiter):
            self._number += 1
            self._names.asked(self._number, name)
            self.say(wire.Ask(self._number, name))

    def ask_challenge(self, host: str, waiter: ChallengeWaiter) -> None:
        """Tell *waiter* whose HTTP-01 answer stands for *host*."""
        if self._transport is None:
            waiter.refused()
        elif self._challenges.add(host, waiter):
            self._number += 1
            self._challenges.asked(self._number, host)
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
        _tell_each(self._names.give_up(), lambda waiter: waiter.refused())
        _tell_each(self._challenges.give_up(), lambda waiter: waiter.refused())
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
                name, waiters = self._names.answered(message.number)
                entry = self._entry(name, message)
                _tell_each(waiters, lambda waiter: waiter.chosen(entry))
            case wire.Thumbprint():
                _tell_each(self._challenges.answered(message.number)[1], lambda waiter: waiter.answered(message.text))
            case wire.Refuse():  # numbers are of one or the other kind of question
                _tell_each(self._names.answered(message.number)[1], lambda waiter: waiter.refused())
                _tell_each(self._challenges.answered(message.number)[1], lambda waiter: waiter.refused())
            case wire.Drop():
                self._contexts.drop(message.domain)
                self._unshown.when_shown(message.domain, functools.partial(self.say, wire.Dropped(message.number)))
            case wire.Drain():
                self._on_drain(message.seconds)
            case _:
                raise AssertionError(message)

    def _entry(self, name: str, answer: wire.Serve | wire.NotOurs) -> Entry:
        """Keep what *answer* says of *name*."""
        now = asyncio.get_running_loop().time()
        if isinstance(answer, wire.NotOurs):
            return self._contexts.set_nobodys(name, answer, now)
        try:
            entry = self._contexts.serve(name, answer, now)
        except (ValueError, SSL.Error) as error:
            # One bad certificate harms nobody else. Of the error only its kind, for it may quote what it read.
            complain("certificate_not_loaded", domain=name, reason=type(error).__name__)
            return self._contexts.set_refused(name, now)
        self._figures.add(Count.CONTEXTS_BUILT)
        return entry


def _tell_each(waiters: Iterable[W], tell: Callable[[W], None]) -> None:
    """Do *tell* for each of *waiters*: what goes wrong with one is nothing to the others."""
    for waiter in waiters:
        try:
            tell(waiter)
        except Exception as error:  # noqa: BLE001 - the edge: a visitor's connection
            complain_of(error)
