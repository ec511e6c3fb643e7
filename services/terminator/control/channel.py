"""The control process's end of the socket to one worker."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

import structlog

from services.terminator import messages
from services.terminator.counters import WorkerCounter, WorkerGauge
from services.terminator.rules.clienthello import host_name
from shared.process.ipc import FrameError, Frames, Message, encode

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MAX_UNREAD_BYTES: Final = 32 << 20  # a worker that does not read its messages is replaced
_AGAIN_SECONDS: Final = 2.0
MAX_QUESTIONS: Final = 50_000  # unanswered at once; a worker has one open question for each name


class Channel(asyncio.Protocol):
    """Passes a worker's questions to *on_question*, and sends it messages."""

    def __init__(self, *, on_question: "OnQuestion", on_metrics: "OnMetrics") -> None:
        self._on_question = on_question
        self._on_metrics = on_metrics
        self._frames = Frames(messages.FROM_WORKER)
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._drops: dict[int, asyncio.Future[None]] = {}
        self._open_questions = 0
        self.gauges = (0,) * len(WorkerGauge)
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
        """Whether visitors may see what the worker was sent: from when it accepts connections until it is dead."""
        return self.ready.done() and self.ready.result() and not self._ended

    async def open(self, connection: socket.socket) -> None:
        """Use *connection*, the control process's end of the socket pair."""
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        # The transport owns this duplicate; the caller still closes the original.
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=connection.dup())

    async def wait_for_silence(self, seconds: float) -> None:
        """Return when the worker has disconnected, or has sent nothing for *seconds*."""
        while not self._lost:
            # If both processes were suspended, this one may resume first; the second wait gives the worker its chance.
            if not await self._hears(seconds) and not await self._hears(_AGAIN_SECONDS):
                self.disconnect(f"it has sent nothing for {seconds:g} s")
                return

    async def _hears(self, seconds: float) -> bool:
        """Return True as soon as the worker sends anything or disconnects, False after *seconds*."""
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
        """Complete all pending drops: a dead process can serve nothing."""
        self._ended = True
        self.disconnect("its process is dead")
        self._complete_drops()

    def send(self, message: Message) -> None:
        """Send *message* to the worker, if it is still connected."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(encode(message))
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.disconnect("it does not read its messages")

    def answer(self, message: Message) -> None:
        """Answer one of the worker's questions."""
        self._open_questions -= 1
        self.send(message)

    def drop(self, domain: str) -> "asyncio.Future[None]":
        """Ask the worker to drop *domain*; the future is done when it can show nothing of it, or is dead."""
        self._number += 1
        done = asyncio.get_running_loop().create_future()
        self._drops[self._number] = done
        self.send(messages.Drop(self._number, domain))
        if self._ended:
            self._complete_drops()
        return done

    def disconnect(self, reason: str) -> None:
        """Abort the connection; the worker is then replaced."""
        if self._transport is not None and not self._transport.is_closing():
            log.error("worker_disconnected", reason=reason)
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._lost = True
        self._heard.set()
        if not self.ready.done():
            self.ready.set_result(False)

    def data_received(self, data: bytes) -> None:
        self._heard.set()
        try:
            for message in self._frames.feed(data):
                self._on_message(message)
        except FrameError as error:
            self.disconnect(str(error))

    def _on_message(self, message: Message) -> None:
        match message:
            case messages.Ready():
                if not self.ready.done():
                    self.ready.set_result(True)
            case messages.Ask() | messages.AskChallenge():
                self._open_questions += 1
                if self._open_questions > MAX_QUESTIONS or host_name(message.name.encode()) != message.name:
                    raise FrameError("a question that no worker sends")
                self._on_question(self, message)
            case messages.Dropped():
                done = self._drops.pop(message.number, None)
                if done is None:
                    raise FrameError("a Dropped without its Drop")
                if not done.done():
                    done.set_result(None)
            case messages.Metrics():
                if len(message.counters) != len(WorkerCounter) or len(message.gauges) != len(WorkerGauge):
                    raise FrameError("a wrong number of counters or gauges")
                self.gauges = message.gauges
                self._on_metrics(message.counters)
            case _:
                raise AssertionError(message)

    def _complete_drops(self) -> None:
        drops, self._drops = self._drops, {}
        for done in drops.values():
            if not done.done():
                done.set_result(None)


OnQuestion = Callable[[Channel, messages.Ask | messages.AskChallenge], None]
OnMetrics = Callable[[tuple[int, ...]], None]
