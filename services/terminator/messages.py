"""The messages between the control process and a worker, over their socket.

A worker faces the internet, so the control process trusts nothing that comes from one: anything except a well-formed
message of `FROM_WORKER` ends the connection, and with it the worker.

Answers about a name and `Drop`s of it arrive in the order in which they became true. So an answer that follows a `Drop`
comes from a read of the store that began after the hint that caused the `Drop`.
"""

from dataclasses import dataclass, field
from typing import Final

from shared.process.ipc import Message


@dataclass(frozen=True, slots=True)
class Ready(Message):
    """The worker accepts connections from now on."""

    KIND = 1


@dataclass(frozen=True, slots=True)
class Ask(Message):
    """Asks how *name* is served. Answered by `Serve`, `UnknownName` or `Refuse` of the same number."""

    KIND = 2
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class AskChallenge(Message):
    """Asks for the HTTP-01 answer of host *name*. Answered by `Thumbprint` or `Refuse` of the same number."""

    KIND = 3
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Dropped(Message):
    """Answers the `Drop` of this number: no handshake of the worker can show what was dropped."""

    KIND = 4
    number: int


@dataclass(frozen=True, slots=True)
class Metrics(Message):
    """The worker's counters since the last `Metrics`, and its gauges now (see `counters`)."""

    KIND = 5
    counters: tuple[int, ...]
    gauges: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin(Message):
    """A worker's configuration: its first message, sent once."""

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
    """How the name is served, for at most *seconds*. *chain* is DER, leaf first; *key* is PKCS #8 DER."""

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
class UnknownName(Message):
    """The name is not hosted here, or has no certificate yet. Valid for *seconds*."""

    KIND = 18
    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse(Message):
    """The store does not answer, or the name must not be served. The worker must not cache this."""

    KIND = 19
    number: int


@dataclass(frozen=True, slots=True)
class Thumbprint(Message):
    """The thumbprint of the ACME account with an open order for the host; empty when there is no open order."""

    KIND = 20
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Drop(Message):
    """Asks to forget *domain*, and all names under it when it is a wildcard. Answered by `Dropped`."""

    KIND = 21
    number: int
    domain: str


@dataclass(frozen=True, slots=True)
class Drain(Message):
    """Asks to accept only what is queued, and to exit when all connections have ended, at most after *seconds*."""

    KIND = 22
    seconds: float


FROM_WORKER: Final[dict[int, type[Message]]] = {cls.KIND: cls for cls in (Ready, Ask, AskChallenge, Dropped, Metrics)}
FIRST_FROM_CONTROL: Final[dict[int, type[Message]]] = {Begin.KIND: Begin}
FROM_CONTROL: Final[dict[int, type[Message]]] = {
    cls.KIND: cls for cls in (Serve, UnknownName, Refuse, Thumbprint, Drop, Drain)
}
