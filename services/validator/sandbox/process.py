"""One sandbox process, seen from the validator: starting it, giving it uploads, killing it."""

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
from services.validator.sandbox import messages
from shared.errors import PermanentError, TransientError
from shared.process.ipc import FrameError, Frames, Message, encode

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_M = TypeVar("_M", bound=Message)

COMMAND: Final = (sys.executable, "-m", "services.validator.sandbox.inside")

_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 5.0
_CHUNK: Final = 262_144
# A tenth of an ordinary process's weight (sched(7)). At the lowest, 19, a busy machine would not let it end at all.
_LOW_PRIORITY: Final = 10


class SandboxNotStartedError(TransientError):
    """Processes, memory or time did not suffice for another sandbox process."""


class SandboxEndedError(TransientError):
    """The sandbox process exited, or sent garbage, before it returned an answer."""


class TookTooLongError(PermanentError):
    """The upload used all the processor time that it may use; its process was killed."""


class SandboxProcess:
    """A process that judges one upload at a time."""

    def __init__(self, process: asyncio.subprocess.Process, connection: "_Connection") -> None:
        self._process: Final = process
        self._connection: Final = connection
        self._pidfd: int | None = None
        with suppress(ProcessLookupError):  # it has ended already
            self._pidfd = os.pidfd_open(process.pid)

    @classmethod
    async def start(cls, *, seconds: float, command: Sequence[str] = COMMAND) -> Self:
        """Start a process by *command* that gives each upload *seconds* of processor time; return it once it is ready.

        Raises:
            SandboxNotStartedError: it did not become ready.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                process = await _spawn(command, theirs)
            except OSError as error:
                raise SandboxNotStartedError(f"no sandbox process could be started: {error}") from error
            theirs.close()
            sandbox = cls(process, await _Connection.open(ours))
        try:
            async with asyncio.timeout(_START_SECONDS):
                sandbox._connection.send(messages.Begin(seconds))
                await sandbox._connection.receive(messages.Ready)
        except (SandboxEndedError, TimeoutError) as error:
            await sandbox.end()
            reason = str(error) or f"it needs more than {_START_SECONDS:g} s"
            raise SandboxNotStartedError(f"a sandbox process did not become ready: {reason}") from error
        except BaseException:
            await sandbox.end()
            raise
        return sandbox

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, or has closed its socket."""
        return self._connection.is_lost

    async def ask(self, assignment: messages.Assignment) -> messages.Answer | messages.Abandoned:
        """Return the answer to *assignment*; `Abandoned` if `abandon` was called before there was one.

        Raises:
            TookTooLongError: it used all the processor time that it may use.
            SandboxEndedError: the process ended for another reason.
        """
        try:
            self._connection.send(assignment)
            return await self._connection.receive(
                messages.Accepted, messages.Rejected, messages.Failed, messages.Abandoned
            )
        except SandboxEndedError as error:
            code = await self._exit_code()
            if code == -signal.SIGPROF:
                raise TookTooLongError from error
            raise SandboxEndedError(f"{error}; its exit code was {code}") from error

    def processor_seconds(self) -> float:
        """Return how many seconds of processor time the process has used; 0 when it is gone."""
        with suppress(OSError):
            return time.clock_gettime(~self.pid << 3 | 2)  # clock_getcpuclockid(3), as the C library makes it
        return 0.0

    def lower_priority(self) -> None:
        """Continue the current assignment at a low priority; the next one has the normal priority."""
        with suppress(OSError):  # it has ended
            threads = [int(thread.name) for thread in Path(f"/proc/{self.pid}/task").iterdir()]
            for thread in threads:
                if thread != self.pid:  # its main thread starts a thread for each assignment
                    os.setpriority(os.PRIO_PROCESS, thread, _LOW_PRIORITY)

    def abandon(self) -> None:
        """Ask the process to give up its assignment, for which it may be too busy."""
        self._send(messages.ABANDON)

    async def end(self) -> None:
        """Kill the process, whatever it does; return when it is gone."""
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """Kill the process, whatever it does."""
        self._connection.close()
        self._send(signal.SIGKILL)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _send(self, number: signal.Signals) -> None:
        if self._pidfd is not None:  # not by its id, which may belong to another process by now
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def _exit_code(self) -> int:
        """Return the exit code of a process that no longer answers, negative for a signal; kill it if it goes on."""
        self._connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        await self.end()
        return await self._process.wait()


class _Connection:
    """Our end of the socket to a sandbox process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames(messages.FROM_SANDBOX)

    @classmethod
    async def open(cls, connection: socket.socket) -> Self:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        # The transport owns this duplicate; the caller still closes the original.
        return cls(*await asyncio.open_unix_connection(sock=connection.dup()))

    @property
    def is_lost(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def send(self, message: Message) -> None:
        self._writer.write(encode(message))

    async def receive(self, *kinds: type[_M]) -> _M:
        """Return the next message, which must be the only one and of one of these *kinds*."""
        while True:
            try:
                data = await self._reader.read(_CHUNK)
                received = self._frames.feed(data)
            except (OSError, FrameError) as error:
                raise SandboxEndedError(f"the sandbox process sent no valid message: {error}") from error
            match received:
                case [message] if isinstance(message, kinds):
                    return message
                case [] if data:
                    continue
                case _:
                    reason = "sent a message that was not asked for" if data else "ended"
                    raise SandboxEndedError(f"the sandbox process {reason}")

    def close(self) -> None:
        self._writer.transport.abort()


async def _spawn(command: Sequence[str], connection: socket.socket) -> asyncio.subprocess.Process:
    """Start a process that inherits its end of the *connection* and nothing else: no file, no environment."""
    return await asyncio.create_subprocess_exec(
        *command,
        str(connection.fileno()),
        pass_fds=(connection.fileno(),),
        env={"PYTHONPATH": str(Path(services.__path__[0]).parent)},
        stdin=asyncio.subprocess.DEVNULL,
    )
