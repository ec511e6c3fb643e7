"""What a judge may use, and who may look into it."""

import ctypes
import os
import resource
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_MEMORY_BYTES: Final = 512 << 20  # of address space
_FILES: Final = 32


def die_with_parent() -> None:
    """End this process when the one that started it ends, whatever either is doing then."""
    parent = os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)


def confine() -> None:
    """Let this process use little memory, gain no rights, write no file, and be looked into by nobody."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)


def begin_to_count(seconds: float) -> None:
    """Kill this process when it has used the processor for *seconds* from now, unless this is called again."""
    signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF, whose default is to end the process


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
