"""What the exit code of a command means; scripts may rely on it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. 64 and above are those of sysexits.h."""

    DONE = 0
    """It is done. `status`: the domain is served."""
    FAILED = 1
    """It failed for a reason that has no code of its own."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    REFUSED = 3
    """The request was refused, or the domain is stuck: nothing gets better until somebody acts."""
    NOT_YET = 4
    """Not in time: `--wait` gave up, or `status` says that the domain is not served yet."""
    NOT_FOUND = 5
    """There is no such domain or dead letter."""
    UNAVAILABLE = 69
    """RabbitMQ or PostgreSQL does not answer, does not let us in, or was not migrated (EX_UNAVAILABLE)."""
    SETTINGS = 78
    """A setting is missing or wrong (EX_CONFIG)."""
    INTERRUPTED = 130
    """Ctrl-C (128 + SIGINT)."""
