"""The messages between the validator and its sandbox processes.

A sandbox process handles bytes that strangers made, so the validator trusts nothing in it except its answer on the
upload that it was given. Anything but one well-formed message of the expected kind ends the process.
"""

import signal
from dataclasses import dataclass, field
from typing import Final

from shared.process.ipc import Message

ABANDON: Final = signal.SIGUSR1
"""The signal that asks a sandbox process to give up its upload: while it judges it does not read its socket."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A reason to reject an upload, or a warning: its rule's code, a sentence, and the object at fault."""

    code: str
    message: str
    where: str


@dataclass(frozen=True, slots=True)
class Begin(Message):
    """The first message to a sandbox process: how much processor time each upload may use."""

    KIND = 1
    seconds: float


@dataclass(frozen=True, slots=True)
class Assignment(Message):
    """Judge this bundle and this key, both PEM, as of the instant *at* (seconds since 1970, UTC)."""

    KIND = 2
    bundle: bytes = field(repr=False)
    key: bytes = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class Ready(Message):
    """The process is confined and ready for its first assignment."""

    KIND = 3


@dataclass(frozen=True, slots=True)
class Accepted(Message):
    """The upload breaks no rule; *chain* (DER, leaf first) and *key* (PKCS #8 DER) are encoded again."""

    KIND = 4
    warnings: tuple[Remark, ...]
    publicly_trusted: int  # 0 or 1
    chain: tuple[bytes, ...] = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rejected(Message):
    """The upload is rejected for *reasons*."""

    KIND = 5
    reasons: tuple[Remark, ...]
    warnings: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Failed(Message):
    """An *error* of our own kept the process from an answer; *places* are lines of code, and quote no data."""

    KIND = 6
    error: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Abandoned(Message):
    """The assignment was given up, as the validator asked by `ABANDON`."""

    KIND = 7


Answer = Accepted | Rejected | Failed

FROM_VALIDATOR: Final[dict[int, type[Message]]] = {each.KIND: each for each in (Begin, Assignment)}
FROM_SANDBOX: Final[dict[int, type[Message]]] = {
    each.KIND: each for each in (Ready, Accepted, Rejected, Failed, Abandoned)
}
