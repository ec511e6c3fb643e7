"""The control process's end of the socket to one worker."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import structlog

from services.terminator import wire
from services.terminator.clienthello import host_name
from services.terminator.figures import Count, Level
from services.terminator.frames import FrameError, Frames, Message, encode

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MAX_UNREAD_BYTES: Final = 32 << 20  # a worker that does not read what it is told is no use
MAX_QUESTIONS: Final = 50_000  # unanswered at once; a worker asks once for each name


class Channel(asyncio.Protocol):
    """Hands a worker's questions to *on_question*, and tells it what it must know; *ended* when the worker is gone."""

    def __init__(self, *, on_question: "OnQuestion", on_counted: "OnCounted") -> None:
        self._on_question = on_question
        self._on_counted = on_counted
        self._frames = Frames(wire.FROM_WORKER)
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._drops: dict[int, asyncio.Future[None]] = {}
        self._open_questions = 0
        self.levels = (0,) * len(Level)
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    @property
    def is_ready(self) -> bool:
        """Whether the worker accepts connections."""
        return self.ready.done() and self.ready.result() and not self.ended.done()

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
        self.say(wire.Drop(self._number, domain))
        if self.ended.done():
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
        """The worker has ended, so it shows nothing any more."""
        if not self.ready.done():
            self.ready.set_result(False)
        self.ended.set_result(None)
        self._forget_drops()

    def data_received(self, data: bytes) -> None:
        """Do what the worker says, if a worker may say it."""
        try:
            for message in self._frames.feed(data):
                self._on_message(message)
        except FrameError as error:
            self.break_off(str(error))

    def _on_message(self, message: Message) -> None:
        match message:
            case wire.Ready():
                if not self.ready.done():
                    self.ready.set_result(True)
            case wire.Ask() | wire.AskChallenge():
                self._open_questions += 1
                if self._open_questions > MAX_QUESTIONS or host_name(message.name.encode()) != message.name:
                    raise FrameError("a question that no worker asks")
                self._on_question(self, message)
            case wire.Dropped():
                done = self._drops.pop(message.number, None)
                if done is None:
                    raise FrameError("something was dropped that nobody wanted dropped")
                if not done.done():
                    done.set_result(None)
            case wire.Counted():
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


OnQuestion = Callable[[Channel, wire.Ask | wire.AskChallenge], None]
OnCounted = Callable[[tuple[int, ...]], None]
