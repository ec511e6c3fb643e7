"""The exit codes of all commands; scripts rely on them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The result of a command. Codes from 64 to 78 are those of sysexits.h."""

    DONE = 0
    """The command succeeded. `status`: the domain is served."""
    FAILED = 1
    """The command failed for a reason without a code of its own."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    REFUSED = 3
    """The request was refused, or the domain is stuck: waiting does not help, somebody must act."""
    NOT_YET = 4
    """The result is still open: `--wait` timed out, or `status` found that the domain is not served yet."""
    NOT_FOUND = 5
    """There is no such domain, certificate, upload or dead letter."""
    UNAVAILABLE = 69
    """RabbitMQ or PostgreSQL does not answer, refuses the login, or was not migrated (EX_UNAVAILABLE)."""
    SETTINGS = 78
    """A setting is missing or wrong (EX_CONFIG)."""
    INTERRUPTED = 130
    """Ctrl-C (128 + SIGINT)."""
