"""What a process gives up, so that less is lost if it is taken over: core dumps, inspection, new privileges, files.

Rules:

* standard library only: the terminator's workers and `certsmith.supervising.tether` start faster without the rest, and
  the latter runs without site packages;
* prctl(2) is Linux's; elsewhere only the resource limits apply.
"""

import ctypes
import os
import resource
import signal
import sys
from typing import Final

# linux/prctl.h
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


def protect_memory() -> None:
    """Keep this process's memory out of core dumps, and closed to other processes of its user.

    Python cannot wipe keys from memory; this keeps them from being written to disk or read by a debugger.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def gain_no_privileges() -> None:
    """Let no program that this process executes gain privileges, by a set-user-ID bit for example."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def write_no_files() -> None:
    """Let this process write no file that grows: its size limit is 0."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def limit_resources(*, memory_bytes: int, files: int) -> None:
    """Limit this process to *memory_bytes* of address space and *files* open files."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def signal_at_parents_death(number: signal.Signals) -> None:
    """Have the kernel send *number* to this process when its parent dies, however the parent dies.

    A parent that is dead already causes no signal: compare `os.getppid()` afterwards.
    """
    _prctl(_PR_SET_PDEATHSIG, number)


def die_with_parent() -> None:
    """Kill this process when its parent dies, whatever either of them is doing then."""
    parent = os.getppid()
    signal_at_parents_death(signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os.kill(os.getpid(), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
