"""Runs one program so that none of its processes outlives the process that started the guard.

    python -I -S guard.py [--user NAME] [--farewell SIGNAL SECONDS] -- PROGRAM [ARGUMENT]...

The rules:

* Standard input is a pipe from the starter. Each byte is the number of a signal to pass on to the program. End of file
  means that the starter has closed the pipe or has died in any way: then the guard ends everything.
* The program's process id is written to standard output, which is then closed. The program's own output goes to the
  guard's standard error.
* The guard is a *subreaper*: processes that the program starts and abandons (Erlang's `epmd` daemon) become the guard's
  children, not init's, and are killed with the rest. When the program ends by itself, its remaining processes are
  killed too, and the guard exits with the program's status.
* If the guard itself is killed, the kernel signals the program (PR_SET_PDEATHSIG).
* `--farewell` names the signal that lets the program clean up outside its folder (PostgreSQL's shared memory), and how
  long that may take; without it the program is killed.

It imports little and starts in about 20 ms, because every private server has one.
"""

import contextlib
import ctypes
import os
import pwd
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

# linux/prctl.h
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36

NOT_STARTED: Final = 127  # the status that shells return when a command cannot be run


class Order(NamedTuple):
    """The program to run, its user, and the signal that asks it to end."""

    argv: Sequence[str]
    user: str | None = None
    farewell: int = signal.SIGKILL
    farewell_seconds: float = 0.0

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> "Order":
        """Return the order that the command line gives."""
        options = list(arguments[: arguments.index("--")])
        user, farewell, seconds = None, int(signal.SIGKILL), 0.0
        while options:
            match options.pop(0):
                case "--user":
                    user = options.pop(0)
                case "--farewell":
                    farewell, seconds = int(options.pop(0)), float(options.pop(0))
                case unknown:
                    raise SystemExit(f"guard: unknown option {unknown}")
        return cls(arguments[arguments.index("--") + 1 :], user, farewell, seconds)


def main() -> int:
    """Run the program that the command line names; return its exit status."""
    order = Order.parse(sys.argv[1:])
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeups = wake_on(signal.SIGCHLD, signal.SIGTERM)
    try:
        program = start(order)
        with contextlib.suppress(BrokenPipeError):
            os.write(1, b"%d\n" % program)
        os.close(1)
        status = watch(program, wakeups)
        return take_leave(program, order) if status is None else status
    finally:
        kill_children()


def start(order: Order) -> int:
    """Return the process id of the program, after its exec: signals reach it, not this file's handlers in a fork."""
    guard = os.getpid()
    waiting, begun = os.pipe()  # closed by exec, or by an early exit
    program = os.fork()
    if program:
        os.close(begun)
        os.read(waiting, 1)
        return program
    try:
        if order.user is not None:
            become(order.user)
        prctl(PR_SET_PDEATHSIG, order.farewell)  # after the change of user, which clears it
        if os.getppid() != guard:
            os._exit(NOT_STARTED)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.execvp(order.argv[0], list(order.argv))
    except OSError as error:
        os.write(2, f"cannot run {order.argv[0]}: {error}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def become(user: str) -> None:
    """Change to *user*, with its groups."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def watch(program: int, wakeups: int) -> int | None:
    """Return the exit status of *program* once it has ended, or None when the guard must end it."""
    while True:
        ready, _, _ = select.select([0, wakeups], [], [])
        if wakeups in ready:
            caught = os.read(wakeups, 64)
            status = reap(program)
            if status is not None or signal.SIGTERM in caught:
                return status
        if 0 in ready:
            signals = os.read(0, 64)
            if not signals:
                return None
            for number in signals:
                os.kill(program, number)  # only this process reaps it, so the id is still its own


def take_leave(program: int, order: Order) -> int:
    """Let *program* clean up before the rest is killed, and return its exit status."""
    os.kill(program, order.farewell)
    deadline = time.monotonic() + order.farewell_seconds
    while (status := reap(program)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return 128 + signal.SIGKILL if status is None else status


def reap(program: int) -> int | None:
    """Reap all exited children; return the exit status of *program* if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == program:
                code = os.waitstatus_to_exitcode(status)
                found = code if code >= 0 else 128 - code
    return found


def kill_children() -> None:
    """Kill all remaining descendants: the orphans of each killed process become children of this one."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def children() -> Iterator[int]:
    """Yield the process ids of this process's children, from /proc: `ps` may be missing."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 - as below
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123 - pathlib is slow to import
            if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                yield int(entry)


def wake_on(*signals: int) -> int:
    """Return a descriptor from which the numbers of *signals* can be read as they arrive."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)  # a handler, not SIG_IGN, which the program would inherit
    return reading


def prctl(option: int, value: int) -> None:
    """Set one of the kernel's properties of this process."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    sys.exit(main())
