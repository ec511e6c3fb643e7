"""The control process's end of the socket to one worker."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

import structlog

from services.terminator import messages
from services.terminator.counters import Count, Level
from services.terminator.rules.clienthello import host_name
from shared.process.ipc import FrameError, Frames, Message, encode

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MAX_UNREAD_BYTES: Final = 32 << 20  # a worker that does not read what it is told is no use
_AGAIN_SECONDS: Final = 2.0
MAX_QUESTIONS: Final = 50_000  # unanswered at once; a worker asks once for each name


class Channel(asyncio.Protocol):
    """Hands a worker's questions to *on_question*, and tells it what it must know."""

    def __init__(self, *, on_question: "OnQuestion", on_counted: "OnCounted") -> None:
        self._on_question = on_question
        self._on_counted = on_counted
        self._frames = Frames(messages.FROM_WORKER)
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._drops: dict[int, asyncio.Future[None]] = {}
        self._open_questions = 0
        self.levels = (0,) * len(Level)
        loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()
        self._lost = False
        self._ended = False
        self.ready: asyncio.Future[bool] = loop.create_future()

    @property
    def is_ready(self) -> bool:
        """Whether the worker accepts connections."""
        return self.ready.done() and self.ready.result() and not self._lost

    @property
    def may_show(self) -> bool:
        """Whether the worker may show visitors what it was told: from when it accepts connections until it is dead."""
        return self.ready.done() and self.ready.result() and not self._ended

    async def open(self, connection: socket.socket) -> None:
        """Listen on our end of the *connection*."""
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        # The transport closes what it is given, at some time; the caller closes his in his.
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=connection.dup())

    async def silence(self, seconds: float) -> None:
        """Return when the worker has left, or has said nothing for *seconds*."""
        while not self._lost:
            # Both processes may have been stopped, and this one goes on first: so it is asked twice.
            if not await self._hears(seconds) and not await self._hears(_AGAIN_SECONDS):
                self.break_off(f"it has said nothing for {seconds:g} s")
                return

    async def _hears(self, seconds: float) -> bool:
        """Return True as soon as the worker says anything, or is gone; False when that takes longer."""
        self._heard.clear()
        if self._lost:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        except TimeoutError:
            return False
        return True

    def end(self) -> None:
        """Owe nobody anything any more: the process is dead, so it shows nothing."""
        self._ended = True
        self.break_off("its time is over")
        self._forget_drops()

    def say(self, message: Message) -> None:
        """Tell the worker, if it is there still."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(encode(message))
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.break_off("it reads nothing")

    def answer(self, message: Message) -> None:
        """Answer one of the worker's questions."""
        self._open_questions -= 1
        self.say(message)

    def drop(self, domain: str) -> "asyncio.Future[None]":
        """Have the worker drop what it holds for *domain*; done when it can show none of it any more, or has ended."""
        self._number += 1
        done = asyncio.get_running_loop().create_future()
        self._drops[self._number] = done
        self.say(messages.Drop(self._number, domain))
        if self._ended:
            self._forget_drops()
        return done

    def break_off(self, reason: str) -> None:
        """End the connection, and with it the worker."""
        if self._transport is not None and not self._transport.is_closing():
            log.error("worker_broken_off", reason=reason)
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The worker is ending, or should."""
        self._lost = True
        self._heard.set()
        if not self.ready.done():
            self.ready.set_result(False)

    def data_received(self, data: bytes) -> None:
        """Do what the worker says, if a worker may say it."""
        self._heard.set()
        try:
            for message in self._frames.feed(data):
                self._on_message(message)
        except FrameError as error:
            self.break_off(str(error))

    def _on_message(self, message: Message) -> None:
        match message:
            case messages.Ready():
                if not self.ready.done():
                    self.ready.set_result(True)
            case messages.Ask() | messages.AskChallenge():
                self._open_questions += 1
                if self._open_questions > MAX_QUESTIONS or host_name(message.name.encode()) != message.name:
                    raise FrameError("a question that no worker asks")
                self._on_question(self, message)
            case messages.Dropped():
                done = self._drops.pop(message.number, None)
                if done is None:
                    raise FrameError("something was dropped that nobody wanted dropped")
                if not done.done():
                    done.set_result(None)
            case messages.Counted():
                if len(message.counts) != len(Count) or len(message.levels) != len(Level):
                    raise FrameError("numbers of another kind")
                self.levels = message.levels
                self._on_counted(message.counts)
            case _:
                raise AssertionError(message)

    def _forget_drops(self) -> None:
        drops, self._drops = self._drops, {}
        for done in drops.values():
            if not done.done():
                done.set_result(None)


OnQuestion = Callable[[Channel, messages.Ask | messages.AskChallenge], None]
OnCounted = Callable[[tuple[int, ...]], None]
