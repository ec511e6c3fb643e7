"""`certsmith validate --bundle FILE --key FILE`: judges files named on the command line."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.terminal import Terminal
from certsmith.validating.document import document_of
from certsmith.validating.request import MAX_BYTES, RequestError, ValidationRequest, identity_of, instant_of, roots_of
from certsmith.validating.tree import lines_of

STDIN: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """The options as they were given; files by name, `-` for standard input."""

    bundle: str
    key: str
    domain: str | None = None
    trust: str | None = None
    at: str | None = None


def validate_files(options: FileOptions, terminal: Terminal) -> ExitCode:
    """Show the judgement of the files; the exit code says whether they are accepted.

    Raises:
        CommandError: a file cannot be read, or an option's value is invalid.
    """
    request = _request(options)
    judgement = request.judged()
    terminal.show(document_of(judgement), *lines_of(judgement, at=request.at))
    return ExitCode.DONE if judgement.is_accepted else ExitCode.REFUSED


def _request(options: FileOptions) -> ValidationRequest:
    if [options.bundle, options.key, options.trust].count(STDIN) > 1:
        raise _usage("standard input can be one file only; give the others by name")
    try:
        return ValidationRequest(
            at=datetime.now(UTC) if options.at is None else instant_of(options.at, where="--at"),
            domain=None if options.domain is None else identity_of(options.domain, where="--domain"),
            trust=None if options.trust is None else roots_of(_content(options.trust, "--trust"), where="--trust"),
            bundle=_content(options.bundle, "--bundle"),
            key=_content(options.key, "--key"),
        )
    except RequestError as error:
        raise _usage(f"{error.where}: {error}", code=error.code) from None


def _content(file: str, option: str) -> bytes:
    """Return at most the first `MAX_BYTES` of *file*, which is enough for the rules to reject it as too large."""
    try:
        if file == STDIN:
            return sys.stdin.buffer.read(MAX_BYTES)
        with Path(file).open("rb") as opened:
            return opened.read(MAX_BYTES)
    except OSError as error:
        raise _usage(f"{option}: {file} cannot be read: {error.strerror}") from None


def _usage(message: str, *, code: str = "usage") -> CommandError:
    return CommandError(message, code=code, exit_code=ExitCode.USAGE)
