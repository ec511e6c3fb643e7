"""What a worker holds in memory stays there."""

import ctypes
import resource
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # prctl(2)


def protect() -> None:
    """Keep this process's memory from core dumps and from other processes of its user.

    The same as `shared.process.lifecycle.protect_memory`, whose module takes as long to import as all of a worker.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
