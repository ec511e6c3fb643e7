"""What a judge may use, and who may look into it."""

import ctypes
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_MEMORY_BYTES: Final = 512 << 20  # of address space
_FILES: Final = 32
_LOWEST_PRIORITY: Final = 19
_LOOK_EVERY_SECONDS: Final = 0.02


def die_with_parent() -> None:
    """End this process when the one that started it ends, whatever either is doing then."""
    parent = os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)


def confine() -> None:
    """Let this process use little memory, write no file, start nothing, and be looked into by nobody."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)


def begin_to_count(seconds: float) -> None:
    """Kill this process when it has used the processor for *seconds* from now, unless this is called again."""
    signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF, whose default is to end the process


def stepping_back_when_slow(act: Callable[[], T], *, quick_seconds: float) -> T:
    """Return what *act* returns; once it has used the processor for *quick_seconds*, it goes on at the lowest priority.

    A priority can be lowered and not raised again. It is a thread's own, so each upload has a thread.
    """
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(act()))
    until = time.process_time() + quick_seconds
    thread.start()
    thread.join(quick_seconds)
    while thread.is_alive() and time.process_time() < until:
        thread.join(_LOOK_EVERY_SECONDS)
    if thread.is_alive() and thread.native_id is not None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread.native_id, _LOWEST_PRIORITY)
    thread.join()
    return results[0]


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
