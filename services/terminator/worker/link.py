"""The worker's end of the socket to its control process."""

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar, cast

from OpenSSL import SSL

from services.terminator import messages as wire
from services.terminator.counters import Counters, WorkerCounter
from services.terminator.worker.log import log_error, log_unexpected
from services.terminator.worker.tls.contexts import Contexts, Entry
from services.terminator.worker.tls.pending_handshakes import PendingHandshakes
from shared.process.ipc import FrameError, Frames, Message, encode


class NameWaiter(Protocol):
    """A connection that waits to learn how a name is served. Exactly one of the two methods is called, once."""

    def chosen(self, entry: Entry) -> None:
        """Continue with *entry*."""

    def refused(self) -> None:
        """Refuse the client: the store does not answer, or the name must not be served."""


class ChallengeWaiter(Protocol):
    """A connection that waits for the HTTP-01 answer of a host. Exactly one of the two methods is called, once."""

    def answered(self, thumbprint: str) -> None:
        """Answer with *thumbprint*; it is empty when the host has no open order."""

    def refused(self) -> None:
        """Ask the client to retry: the store does not answer."""


W = TypeVar("W")


class _Questions(Generic[W]):
    """Open questions about names, and the waiters of each. There is at most one open question about a name."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[W]] = {}
        self._names: dict[int, str] = {}

    def add(self, name: str, waiter: W) -> bool:
        """Add *waiter*; return whether the question about *name* must still be sent."""
        is_new = name not in self._waiting
        self._waiting.setdefault(name, []).append(waiter)
        return is_new

    def asked(self, number: int, name: str) -> None:
        """Note that the question about *name* was sent under *number*."""
        self._names[number] = name

    def answered(self, number: int) -> tuple[str, list[W]]:
        """Close question *number*; return its name and its waiters."""
        name = self._names.pop(number, "")
        return name, self._waiting.pop(name, [])

    def give_up(self) -> list[W]:
        """Close all questions; return all waiters."""
        waiters = [waiter for waiters in self._waiting.values() for waiter in waiters]
        self._waiting.clear()
        self._names.clear()
        return waiters


class ControlLink(asyncio.Protocol):
    """Asks the control process about names, once for all connections that wait for the same, and follows its orders."""

    def __init__(
        self,
        *,
        contexts: Contexts,
        pending: PendingHandshakes,
        counters: Counters,
        on_drain: Callable[[float | None], None],
    ) -> None:
        self._contexts = contexts
        self._pending = pending
        self._counters = counters
        self._on_drain = on_drain
        self._frames = Frames(wire.FROM_CONTROL)
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._names: _Questions[NameWaiter] = _Questions()
        self._challenges: _Questions[ChallengeWaiter] = _Questions()

    def ask(self, name: str, waiter: NameWaiter) -> None:
        """Ask how *name* is served, on behalf of *waiter*."""
        if self._transport is None:
            waiter.refused()
        elif self._names.add(name, waiter):
            self._number += 1
            self._names.asked(self._number, name)
            self.send(wire.Ask(self._number, name))

    def ask_challenge(self, host: str, waiter: ChallengeWaiter) -> None:
        """Ask for the HTTP-01 answer of *host*, on behalf of *waiter*."""
        if self._transport is None:
            waiter.refused()
        elif self._challenges.add(host, waiter):
            self._number += 1
            self._challenges.asked(self._number, host)
            self.send(wire.AskChallenge(self._number, host))

    def send(self, message: Message) -> None:
        """Send *message* to the control process, if it is still there."""
        if self._transport is not None:
            self._transport.write(encode(message))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Drain: without the control process no new name can be looked up."""
        self._transport = None
        _call_each(self._names.give_up(), lambda waiter: waiter.refused())
        _call_each(self._challenges.give_up(), lambda waiter: waiter.refused())
        self._on_drain(None)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._frames.feed(data)
        except FrameError as error:
            log_error("control_process_not_understood", reason=str(error))
            assert self._transport is not None
            self._transport.abort()
            return
        for message in messages:
            self._on_message(message)

    def _on_message(self, message: Message) -> None:
        match message:
            case wire.Serve() | wire.UnknownName():
                name, waiters = self._names.answered(message.number)
                entry = self._entry(name, message)
                _call_each(waiters, lambda waiter: waiter.chosen(entry))
            case wire.Thumbprint():
                _call_each(self._challenges.answered(message.number)[1], lambda waiter: waiter.answered(message.text))
            case wire.Refuse():  # both kinds of question share one sequence of numbers
                _call_each(self._names.answered(message.number)[1], lambda waiter: waiter.refused())
                _call_each(self._challenges.answered(message.number)[1], lambda waiter: waiter.refused())
            case wire.Drop():
                self._contexts.drop(message.domain)
                self._pending.when_shown(message.domain, functools.partial(self.send, wire.Dropped(message.number)))
            case wire.Drain():
                self._on_drain(message.seconds)
            case _:
                raise AssertionError(message)

    def _entry(self, name: str, answer: wire.Serve | wire.UnknownName) -> Entry:
        """Store *answer* for *name* and return its entry."""
        now = asyncio.get_running_loop().time()
        if isinstance(answer, wire.UnknownName):
            return self._contexts.set_unknown(name, answer, now)
        try:
            entry = self._contexts.serve(name, answer, now)
        except (ValueError, SSL.Error) as error:
            # One bad certificate affects no other name. Only the error's type is logged: its text may quote its input.
            log_error("certificate_not_loaded", domain=name, reason=type(error).__name__)
            return self._contexts.set_refused(name, now)
        self._counters.add(WorkerCounter.CONTEXTS_BUILT)
        return entry


def _call_each(waiters: Iterable[W], call: Callable[[W], None]) -> None:
    """Do *call* for each of *waiters*; an error of one does not affect the others."""
    for waiter in waiters:
        try:
            call(waiter)
        except Exception as error:  # noqa: BLE001 - the edge: a visitor's connection
            log_unexpected(error)
