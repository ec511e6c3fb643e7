"""Run `certsmith`; the same as `python -m certsmith`."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from typer.exceptions import Exit, TyperException
from typer.main import get_command

from certsmith.application import application
from certsmith.exits import ExitCode


def main() -> NoReturn:
    """Run the command that the process was started with."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* name, and return its exit code."""
    try:
        result = get_command(application()).main(list(arguments), prog_name="certsmith", standalone_mode=False)
    except BrokenPipeError:
        return ExitCode.FAILED
    except Exit as error:
        return error.exit_code
    except KeyboardInterrupt:  # no message: the user pressed Ctrl-C
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge: people get a line, not a traceback
        return _fail(error, arguments)
    return int(result or ExitCode.DONE)


def _fail(error: Exception, arguments: Sequence[str]) -> int:
    from certsmith.failures import CommandError, failure_of  # noqa: PLC0415 - keeps `--help` quick
    from certsmith.terminal import Terminal  # noqa: PLC0415

    if os.environ.get("CERTSMITH_DEBUG"):
        raise error
    if isinstance(error, TyperException):
        if not error.format_message():  # a group without a command: its help has already been shown
            return ExitCode.USAGE
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "certsmith"
        said = error.format_message().removeprefix(
            "Invalid value: "
        )  # typer adds it to our own errors about options too
        message = f"{said.rstrip('.')}; `{path} --help` has examples"
        error = CommandError(message, code="usage", exit_code=ExitCode.USAGE)
    failure = failure_of(error)
    Terminal(as_json="--json" in arguments).fail(failure.document, failure.message)
    return failure.exit_code


if __name__ == "__main__":
    main()
