"""Shows errors: as a message that says what to do, a code for programs, and an exit code; never as a traceback.

Passwords are removed from every address in a message, also when the message comes from a library.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from certsmith.exits import ExitCode
from shared.errors import (
    BrokerUnavailableError,
    Reason,
    RefusedError,
    ServiceError,
    SettingsError,
    StoreUnavailableError,
)

# RFC 3986 section 3.2.1: userinfo ends at the last `@` before the path; people forget to encode a `/` or `@` in it.
_PASSWORD: Final = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s]*@", re.IGNORECASE)


class CommandError(Exception):
    """A command cannot do its work; *code* is for programs, the message for people."""

    def __init__(self, message: str, *, code: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailure:
    """An error as a command shows it."""

    exit_code: ExitCode
    code: str
    message: str
    reasons: Sequence[Reason] = ()

    @property
    def document(self) -> dict[str, object]:
        """The error as JSON."""
        reasons = [{"code": reason.code, "message": reason.message} for reason in self.reasons]
        error = {"code": self.code, "message": self.message, "reasons": reasons}
        return {"error": error, "exit_code": int(self.exit_code)}


# The first matching class counts.
_KINDS: Final[tuple[tuple[type[Exception], ExitCode, str], ...]] = (
    (SettingsError, ExitCode.SETTINGS, "settings"),
    (StoreUnavailableError, ExitCode.UNAVAILABLE, "database_unavailable"),
    (BrokerUnavailableError, ExitCode.UNAVAILABLE, "broker_unavailable"),
    (RefusedError, ExitCode.REFUSED, "refused"),
    (ServiceError, ExitCode.FAILED, "failed"),
)


def failure_of(error: Exception) -> CommandFailure:
    """Return *error* as it is shown to people and programs."""
    text = without_passwords(str(error))
    reasons = error.reasons if isinstance(error, RefusedError) else ()
    if isinstance(error, CommandError):
        return CommandFailure(exit_code=error.exit_code, code=error.code, message=text)
    for kind, exit_code, code in _KINDS:
        if isinstance(error, kind):
            return CommandFailure(exit_code=exit_code, code=code, message=text, reasons=reasons)
    first = text.partition("\n")[0]
    message = f"unexpected {type(error).__name__}: {first}; set CERTSMITH_DEBUG=1 to see the traceback"
    return CommandFailure(exit_code=ExitCode.FAILED, code="internal_error", message=message)


def without_passwords(text: str) -> str:
    """Return *text* with the password of every address in it replaced by ***."""
    return _PASSWORD.sub(r"\g<before>:***@", text)
