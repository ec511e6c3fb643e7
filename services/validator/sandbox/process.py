"""One judge, as the validator has it in hand: a process with a socket to it."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, TypeVar

import structlog

import services
from services.validator.sandbox import messages as wire
from shared.errors import ServiceError, TransientError
from shared.process.ipc import FrameError, Frames, Message, encode

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_M = TypeVar("_M", bound=Message)

COMMAND: Final = (sys.executable, "-m", "services.validator.sandbox.inside")

_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 5.0
_CHUNK: Final = 262_144
# A tenth of an ordinary process's weight (sched(7)). At the lowest, 19, a busy machine would not let it end at all.
_LOW_PRIORITY: Final = 10


class JudgeNotStartedError(TransientError):
    """There is no process, no memory, or no time for another judge."""


class JudgeEndedError(ServiceError):
    """The judge ended, or lost its mind, before it had said its opinion."""


class TookTooLongError(ServiceError):
    """The judge was ended because it had used all the processor time that an upload may take."""


class Judge:
    """A process that judges one upload at a time."""

    def __init__(self, process: asyncio.subprocess.Process, connection: "_Connection") -> None:
        self._process: Final = process
        self._connection: Final = connection
        self._pidfd: int | None = None
        with suppress(ProcessLookupError):  # it has ended already
            self._pidfd = os.pidfd_open(process.pid)

    @classmethod
    async def start(cls, *, seconds: float, command: Sequence[str] = COMMAND) -> Self:
        """Start a judge by *command*, which gives each upload *seconds* of processor time; return it when it waits.

        Raises:
            JudgeNotStartedError: it did not come so far.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                process = await _spawn(command, theirs)
            except OSError as error:
                raise JudgeNotStartedError(f"a judge could not be started: {error}") from error
            theirs.close()
            judge = cls(process, await _Connection.open(ours))
        try:
            async with asyncio.timeout(_START_SECONDS):
                judge._connection.say(wire.Begin(seconds))
                await judge._connection.hear(wire.Waiting)
        except (JudgeEndedError, TimeoutError) as error:
            await judge.end()
            reason = str(error) or f"it takes more than {_START_SECONDS:g} s"
            raise JudgeNotStartedError(f"a judge did not start: {reason}") from error
        except BaseException:
            await judge.end()
            raise
        return judge

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, or can say nothing any more."""
        return self._connection.is_lost

    async def ask(self, assignment: wire.Assignment) -> wire.Opinion | wire.Abandoned:
        """Return the judge's opinion, or that it was told to `abandon` the assignment before it had one.

        Raises:
            TookTooLongError: it took all the processor time that it was given.
            JudgeEndedError: it ended for another reason.
        """
        try:
            self._connection.say(assignment)
            return await self._connection.hear(wire.Accepted, wire.Rejected, wire.Failed, wire.Abandoned)
        except JudgeEndedError as error:
            code = await self._exit_code()
            if code == -signal.SIGPROF:
                raise TookTooLongError from error
            raise JudgeEndedError(f"{error}; its exit code was {code}") from error

    def processor_seconds(self) -> float:
        """Return how much processor time it has used; 0 when it is gone."""
        with suppress(OSError):
            return time.clock_gettime(~self.pid << 3 | 2)  # clock_getcpuclockid(3), as the C library makes it
        return 0.0

    def step_back(self) -> None:
        """Let what it has in hand go on at a low priority; its next assignment does not inherit that."""
        with suppress(OSError):  # it has ended
            threads = [int(thread.name) for thread in Path(f"/proc/{self.pid}/task").iterdir()]
            for thread in threads:
                if thread != self.pid:  # its main thread starts one for each assignment
                    os.setpriority(os.PRIO_PROCESS, thread, _LOW_PRIORITY)

    def abandon(self) -> None:
        """Ask for what it has in hand to be given up, which it may be too busy to hear."""
        self._send(wire.ABANDON)

    async def end(self) -> None:
        """End the process, whatever it does; return when it is gone."""
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._connection.close()
        self._send(signal.SIGKILL)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _send(self, number: signal.Signals) -> None:
        if self._pidfd is not None:  # not by its id: when it has ended, that may be another's
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def _exit_code(self) -> int:
        """Return the exit code of a judge that says nothing any more, negative for a signal; end it if it must be."""
        self._connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        await self.end()
        return await self._process.wait()


class _Connection:
    """Our end of the socket to a judge."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames(wire.FROM_JUDGE)

    @classmethod
    async def open(cls, connection: socket.socket) -> Self:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        # The transport closes what it is given, at some time; the caller closes his in his.
        return cls(*await asyncio.open_unix_connection(sock=connection.dup()))

    @property
    def is_lost(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def say(self, message: Message) -> None:
        self._writer.write(encode(message))

    async def hear(self, *kinds: type[_M]) -> _M:
        """Return what it says, which must be one message of these *kinds*."""
        while True:
            try:
                data = await self._reader.read(_CHUNK)
                messages = self._frames.feed(data)
            except (OSError, FrameError) as error:
                raise JudgeEndedError(f"it could not be understood: {error}") from error
            match messages:
                case [message] if isinstance(message, kinds):
                    return message
                case [] if data:
                    continue
                case _:
                    raise JudgeEndedError("it ended" if not data else "it said what it was not asked")

    def close(self) -> None:
        self._writer.transport.abort()


async def _spawn(command: Sequence[str], connection: socket.socket) -> asyncio.subprocess.Process:
    """Start a judge with its end of the *connection*, and nothing else of ours: no file, no environment."""
    return await asyncio.create_subprocess_exec(
        *command,
        str(connection.fileno()),
        pass_fds=(connection.fileno(),),
        env={"PYTHONPATH": str(Path(services.__path__[0]).parent)},
        stdin=asyncio.subprocess.DEVNULL,
    )
