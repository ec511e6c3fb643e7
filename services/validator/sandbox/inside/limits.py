"""What a sandbox process may use: little memory, few files, and a bounded time of the processor for each upload."""

import signal
from typing import Final

from shared.process import confinement

_MEMORY_BYTES: Final = 512 << 20  # of address space
_FILES: Final = 32


def confine() -> None:
    """Let this process use little memory, gain no privileges and write no file, and let no other process inspect it."""
    confinement.protect_memory()
    confinement.write_no_files()
    confinement.limit_resources(memory_bytes=_MEMORY_BYTES, files=_FILES)
    confinement.gain_no_privileges()


def limit_processor_time(seconds: float) -> None:
    """Kill this process once it has used the processor for *seconds* from now; 0 lifts the limit."""
    signal.setitimer(signal.ITIMER_PROF, seconds)  # sends SIGPROF, whose default action ends the process
