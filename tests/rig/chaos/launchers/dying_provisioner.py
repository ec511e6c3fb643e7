"""A provisioner that kills itself at one point of its work: `python -m tests.rig.chaos.launchers.dying_provisioner`.

`CRASH_POINT` names the point, and the file `CRASH_MARKER` is written there. The product has no code for this: the
connections to the outside, which its composition root gets as an argument, are wrapped.
"""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NoReturn, cast

import uvloop

from services.provisioner.app import OUTSIDE, Outside, serve
from services.provisioner.ports import AcmeAccount, CertificateAuthorities
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from shared import logs
from shared.events import CertificateReady
from shared.messaging.inbox.consumer import Consumer
from shared.messaging.inbox.settlement import Subscription
from shared.messaging.message import Message
from shared.messaging.outbox.dispatch import Sender
from shared.process import lifecycle
from shared.settings import LogSettings, load
from shared.store import Connection, Pool
from shared.vault import KeyFiles


class CrashPoint(StrEnum):
    """The points at which a provisioner dies."""

    AFTER_NEW_ORDER = "new_order"
    """The CA has created the order and answered; its URL is not committed."""
    AFTER_FINALIZE = "finalize"
    """The CA has the CSR and answered; nothing is committed."""
    AFTER_DOWNLOAD = "certificate"
    """The certificate was fetched and is not committed."""
    BEFORE_PUBLISH = "before_publish"
    """The certificate is committed, and `certificate.ready` is about to be published."""
    AFTER_PUBLISH = "after_publish"
    """The broker has confirmed `certificate.ready`; its row is not deleted."""
    BEFORE_ACK = "before_ack"
    """The rows that the message caused are committed; the message is not acknowledged."""


AT_THE_CA: Final = (CrashPoint.AFTER_NEW_ORDER, CrashPoint.AFTER_FINALIZE, CrashPoint.AFTER_DOWNLOAD)


def die(point: CrashPoint) -> NoReturn:
    """Write the marker, and kill this process at once."""
    Path(os.environ["CRASH_MARKER"]).write_text(f"{point} {os.getpid()}")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process outlived its SIGKILL")


class _Dying:
    """An ACME account whose process dies after the answer to one of its methods."""

    def __init__(self, inner: AcmeAccount, point: CrashPoint) -> None:
        self._inner: Final = inner
        self._point: Final = point

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._fatal(found) if name == self._point else found

    def _fatal(self, ask: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[NoReturn]]:
        async def asking(*args: object, **options: object) -> NoReturn:
            await ask(*args, **options)
            die(self._point)

        return asking


class _DyingCertificateAuthorities:
    """Opens such accounts."""

    def __init__(self, inner: CertificateAuthorities, point: CrashPoint) -> None:
        self._inner: Final = inner
        self._point: Final = point

    def account(self, *, directory_url: str, key_pkcs8: bytes, url: str | None) -> AcmeAccount:
        inner = self._inner.account(directory_url=directory_url, key_pkcs8=key_pkcs8, url=url)
        return cast("AcmeAccount", _Dying(inner, self._point))

    def new_key(self) -> bytes:
        return self._inner.new_key()


class _DyingSender:
    """A sender whose process dies at the first `certificate.ready`."""

    def __init__(self, inner: Sender, point: CrashPoint) -> None:
        self._inner: Final = inner
        self._point: Final = point

    async def send(self, message: Message, *, seconds: float) -> None:
        is_last = message.routing_key == CertificateReady.type
        if is_last and self._point is CrashPoint.BEFORE_PUBLISH:
            die(self._point)
        await self._inner.send(message, seconds=seconds)
        if is_last:
            die(self._point)


class _DyingPool(Pool):
    """A pool whose process dies after its first committed transaction."""

    def __init__(self, inner: Pool) -> None:
        super().__init__(inner._pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection:
            yield connection
        die(CrashPoint.BEFORE_ACK)


def outside_until(point: CrashPoint) -> Outside:
    """Return connections to the outside of which one kills the process at *point*."""

    @asynccontextmanager
    async def authorities(trusted_ca_pem: str | None) -> AsyncIterator[CertificateAuthorities]:
        async with OUTSIDE.authorities(trusted_ca_pem) as inner:
            yield _DyingCertificateAuthorities(inner, point)

    @asynccontextmanager
    async def sender(url: str) -> AsyncIterator[Sender]:
        async with OUTSIDE.sender(url) as inner:
            yield _DyingSender(inner, point)

    def consumer(url: str, pool: Pool, subscriptions: Sequence[Subscription]) -> Consumer:
        return OUTSIDE.consumer(url, _DyingPool(pool), subscriptions)

    if point in AT_THE_CA:
        return replace(OUTSIDE, authorities=cast("_Authorities", authorities))
    if point is CrashPoint.BEFORE_ACK:
        return replace(OUTSIDE, consumer=consumer)
    return replace(OUTSIDE, sender=cast("_Senders", sender))


_Authorities = Callable[[str | None], AbstractAsyncContextManager[CertificateAuthorities]]
_Senders = Callable[[str], AbstractAsyncContextManager[Sender]]


def main() -> int:
    """Serve until the crash point is reached."""
    logs.configure(load(LogSettings), service="provisioner")
    settings, authority, keys = load(ProvisionerSettings), load(AuthoritySettings), load(KeyFiles)
    outside = outside_until(CrashPoint(os.environ["CRASH_POINT"]))

    async def serving(stop: Any) -> None:
        await serve(settings, authority, keys, stop, outside=outside)

    return lifecycle.run(serving, grace_seconds=settings.grace_seconds, loop_factory=uvloop.new_event_loop)


if __name__ == "__main__":
    raise SystemExit(main())
