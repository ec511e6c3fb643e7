"""One crash and what comes after: a provisioner dies at a named point, the next one does the rest."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event
from dev.platform.servers import PlatformServers
from dev.platform.service import KILLED
from dev.servers.faults import Answer, Endpoint
from tests.rig.chaos.launchers.dying_provisioner import CrashPoint

_LAUNCHER: Final = "tests.rig.chaos.launchers.dying_provisioner"
_QUICK_TAKEOVER: Final = {"PROVISIONER_LEASE_SECONDS": "3"}
# As Let's Encrypt's accounts are: RFC 8555 section 7.1.2.1 asks for a list of orders, and they have none.
_NO_LIST: Final = Answer(status=200, body='{"status": "valid"}', content_type="application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where to die, and in what circumstances."""

    name: str
    point: CrashPoint
    has_id: bool = True
    """Whether the request is an event with an id; without one no inbox helps."""
    lists_orders: bool = True
    """Whether the CA says which orders an account has."""


PLANS: Final = {
    plan.name: plan
    for plan in (
        *(Plan(name=point.replace("_", "-"), point=point) for point in CrashPoint),
        Plan(name="before-ack-without-id", point=CrashPoint.BEFORE_ACK, has_id=False),
        Plan(name="new-order-unlisted", point=CrashPoint.AFTER_NEW_ORDER, lists_orders=False),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """The state once all work is finished and the domain is served."""

    order_states: list[str]
    orders_at_ca: int
    certificates_by_ca: int
    served_names: list[str]
    published_ready: list[str]
    """The certificate's id from each `certificate.ready`."""


class Crash:
    """A plan that is being carried out, on a platform of its own."""

    def __init__(self, plan: Plan, servers: PlatformServers) -> None:
        self._plan: Final = plan
        self.name: Final = plan.name
        self._host: Final = f"{plan.name}.example.com"
        self._platform: Platform | None = None
        self._task: Final = asyncio.create_task(self._happen(servers), name=plan.name)

    async def aftermath(self) -> Aftermath:
        """Return the state after the crash, when all is settled."""
        return await asyncio.shield(self._task)

    async def end(self) -> None:
        """End it, however far it is."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def logs(self) -> Mapping[str, Path]:
        """Return the log of each service and server, by name."""
        return {} if self._platform is None else self._platform.logs()

    async def _happen(self, servers: PlatformServers) -> Aftermath:
        async with Platform.on(servers, self._plan.name) as platform:
            self._platform = platform
            await platform.point_here(self._host)
            await self._publish(platform)
            await self._die(platform)
            if not self._plan.lists_orders:
                platform.gate.inject(Endpoint.ACCOUNT, _NO_LIST)
            return await self._recover(platform)

    async def _publish(self, platform: Platform) -> None:
        data = platform.domain(self._host)
        if self._plan.has_id:
            await platform.publisher.structured(cloud_event("domain.created", data))
        else:
            await platform.publisher.bare("domain.created", data)

    async def _die(self, platform: Platform) -> None:
        """Let a provisioner work until it dies; fail if it does not get to the point."""
        marker = platform.folder / "marker"
        environment = {"CRASH_POINT": self._plan.point, "CRASH_MARKER": str(marker), **_QUICK_TAKEOVER}
        dying = platform.provisioner("dying", module=_LAUNCHER, **environment)
        await platform.run(platform.terminator(TERMINATOR_WORKERS="1"))
        await dying.start()
        assert await dying.ended() == KILLED
        assert marker.read_text() == f"{self._plan.point} {dying.pid}"

    async def _recover(self, platform: Platform) -> Aftermath:
        successor = platform.provisioner("successor", **_QUICK_TAKEOVER)
        await successor.start()
        visit = await platform.served(self._host)
        await platform.settled()
        facts = await platform.ledger.new_facts()
        return Aftermath(
            order_states=[order["state"] for order in await platform.ledger.orders(self._host)],
            orders_at_ca=platform.orders_made(),
            certificates_by_ca=(await platform.pebble.issued_certificates())[self._host],
            served_names=visit.names,
            published_ready=[data["certificate_id"] for kind, data in facts if kind == "certificate.ready"],
        )
