"""What the validator and its judges say to each other.

A judge looks at what strangers made, so nothing that it says is believed but its opinion: what is not a well-formed
message of those here ends it.
"""

import signal
from dataclasses import dataclass, field
from typing import Final

from shared.process.ipc import Message

ABANDON: Final = signal.SIGUSR1
"""The signal by which a judge is asked to give up what it has in hand: it is not reading meanwhile."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A reason against an upload, or a warning: its rule's code, a sentence, and the object at fault."""

    code: str
    message: str
    where: str


@dataclass(frozen=True, slots=True)
class Begin(Message):
    """The first that a judge is told: how much processor time each upload may take."""

    KIND = 1
    seconds: float


@dataclass(frozen=True, slots=True)
class Assignment(Message):
    """Judge this bundle and this key, PEM both, as of the instant *at* (seconds since 1970, UTC)."""

    KIND = 2
    bundle: bytes = field(repr=False)
    key: bytes = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class Waiting(Message):
    """The judge is ready for its first assignment."""

    KIND = 3


@dataclass(frozen=True, slots=True)
class Accepted(Message):
    """Nothing speaks against it; *chain* (DER, leaf first) and *key* (PKCS #8 DER) are encoded anew."""

    KIND = 4
    warnings: tuple[Remark, ...]
    publicly_trusted: int  # 0 or 1
    chain: tuple[bytes, ...] = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rejected(Message):
    """These are the reasons against it."""

    KIND = 5
    reasons: tuple[Remark, ...]
    warnings: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Failed(Message):
    """The judge came to no opinion, by an *error* of ours; *places* in the code lead to it, and show nothing."""

    KIND = 6
    error: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Abandoned(Message):
    """The assignment was given up, as the validator asked."""

    KIND = 7


Opinion = Accepted | Rejected | Failed

FROM_VALIDATOR: Final[dict[int, type[Message]]] = {each.KIND: each for each in (Begin, Assignment)}
FROM_JUDGE: Final[dict[int, type[Message]]] = {
    each.KIND: each for each in (Waiting, Accepted, Rejected, Failed, Abandoned)
}
