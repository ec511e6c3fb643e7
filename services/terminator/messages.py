"""What the control process and a worker say to each other over their socket.

A worker faces the internet, so the control process believes nothing that comes from one: what is not a well-formed
message of those that workers say ends the connection, and with it the worker.

Answers and `Drop`s of a name come in the order in which they became true: whoever gets an answer after a `Drop` may
rely on it that the store was read after the hint that caused the `Drop`.
"""

from dataclasses import dataclass, field
from typing import Final

from shared.process.ipc import Message


@dataclass(frozen=True, slots=True)
class Ready(Message):
    """Connections are accepted from now on."""

    KIND = 1


@dataclass(frozen=True, slots=True)
class Ask(Message):
    """What is served for *name*? Answered by `Serve`, `NotOurs` or `Refuse` of the same number."""

    KIND = 2
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class AskChallenge(Message):
    """Whose HTTP-01 answer stands for *name*? Answered by `Thumbprint` or `Refuse` of the same number."""

    KIND = 3
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Dropped(Message):
    """None of my handshakes can show any more what the `Drop` of this number was about."""

    KIND = 4
    number: int


@dataclass(frozen=True, slots=True)
class Counted(Message):
    """What happened since the last `Counted`, and how many there are of what comes and goes (`figures`)."""

    KIND = 5
    counts: tuple[int, ...]
    levels: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin(Message):
    """How to work: the first message, said once."""

    KIND = 16
    handshake_seconds: float
    connect_seconds: float
    idle_seconds: float
    grace_seconds: float
    max_handshakes: int
    max_connections: int
    max_contexts: int
    redirect_port: int
    own_ports: tuple[int, ...]
    upstream_allow: tuple[str, ...]
    upstream_deny: tuple[str, ...]
    default_chain: tuple[bytes, ...]
    default_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve(Message):
    """This is served for the name, for at most *seconds*; *chain* is DER, leaf first, *key* PKCS #8 DER."""

    KIND = 17
    number: int
    domain: str
    chain: tuple[bytes, ...]
    key: bytes = field(repr=False)
    upstream: str
    lowest_version: int
    highest_version: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NotOurs(Message):
    """The name is not ours, or has no certificate yet; to be believed for *seconds*."""

    KIND = 18
    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse(Message):
    """Nobody knows now, or it must not be served. Not to be remembered."""

    KIND = 19
    number: int


@dataclass(frozen=True, slots=True)
class Thumbprint(Message):
    """The thumbprint of the account whose HTTP-01 answer stands for the name; empty when none does."""

    KIND = 20
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Drop(Message):
    """Forget what you hold for *domain*, and for what it covers when it is a wildcard. Answered by `Dropped`."""

    KIND = 21
    number: int
    domain: str


@dataclass(frozen=True, slots=True)
class Drain(Message):
    """Accept what waits in the queues and then nothing more; end when all is done, at the latest in *seconds*."""

    KIND = 22
    seconds: float


FROM_WORKER: Final[dict[int, type[Message]]] = {cls.KIND: cls for cls in (Ready, Ask, AskChallenge, Dropped, Counted)}
FIRST_FROM_CONTROL: Final[dict[int, type[Message]]] = {Begin.KIND: Begin}
FROM_CONTROL: Final[dict[int, type[Message]]] = {
    cls.KIND: cls for cls in (Serve, NotOurs, Refuse, Thumbprint, Drop, Drain)
}
