"""Traffic on a platform: new domains, uploads and visits, and a record of all failures."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from dev.platform.customer_ca import Authority
from dev.platform.platform import Platform
from dev.platform.service import Node
from dev.platform.uploading import UPLOADED
from dev.platform.visiting import Visitor
from dev.waiting import until

VISITORS: Final = 2  # at each node, one after the other
SHOPS: Final = 3  # that open at the same time
PAUSE_SECONDS: Final = 0.01  # from one visit to the next: other tests want the machine too


class Traffic:
    """Traffic until `end`; every host in *hosts* is visited at every node by clients that trust its roots."""

    def __init__(self, platform: Platform) -> None:
        self.hosts: Final[dict[str, bytes]] = {}
        self.opened = 0
        self.uploaded = 0
        self.visits = 0
        self.failures: Final[list[str]] = []
        self._platform: Final = platform
        self._customers: Final = Authority()
        self._visitors: Final = {roots: Visitor(roots) for roots in (platform.roots, self._customers.roots_pem)}
        self._ending: Final = asyncio.Event()

    def __str__(self) -> str:
        return f"{self.opened} shops opened, {self.uploaded} certificates uploaded, {self.visits} visits"

    @property
    def done(self) -> tuple[int, int, int]:
        """How many shops were opened, certificates uploaded, visits made."""
        return self.opened, self.uploaded, self.visits

    async def continues(self, shops: int, uploads: int, visits: int) -> None:
        """Return once this many more of each are finished."""
        goal = [had + more for had, more in zip(self.done, (shops, uploads, visits), strict=True)]

        async def look() -> bool:
            return bool(self.failures) or all(has >= want for has, want in zip(self.done, goal, strict=True))

        await until(look, lambda: f"{goal} shops, uploads and visits; there were {self.done}")

    def end(self) -> None:
        """Begin nothing new."""
        self._ending.set()

    async def run(self) -> None:
        """Run the traffic until `end`, and finish what has begun."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SHOPS):
                tasks.create_task(self._repeat(self._open_shop))
            tasks.create_task(self._repeat(self._upload))
            for node in self._platform.nodes:
                for _ in range(VISITORS):
                    tasks.create_task(self._visit(node))

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self._ending.is_set():
            try:
                await work()
            except AssertionError as error:
                self.failures.append(str(error))

    async def _open_shop(self) -> None:
        self.hosts[await self._new_shop()] = self._platform.roots
        self.opened += 1

    async def _upload(self) -> None:
        host = await self._new_shop()
        issued = self._customers.issue(host)
        await self._platform.publisher.bare(UPLOADED, self._platform.uploader.upload(issued, attach=[host]))
        await self._platform.served(host, trusting=self._customers.roots_pem)
        self.hosts[host] = self._customers.roots_pem
        self.uploaded += 1

    async def _new_shop(self) -> str:
        host = f"shop-{secrets.token_hex(6)}.example.com"
        await self._platform.point_here(host)
        await self._platform.publisher.bare("domain.created", self._platform.domain(host))
        await self._platform.served(host)
        return host

    async def _visit(self, node: Node) -> None:
        for turn in itertools.count():
            if self._ending.is_set():
                return
            await asyncio.sleep(PAUSE_SECONDS)
            if not self.hosts:
                continue
            host, roots = list(self.hosts.items())[turn % len(self.hosts)]
            try:
                await self._visitors[roots].visit(host, address=node.address, port=node.https_port)
            except (OSError, TimeoutError) as error:
                self.failures.append(f"a visit to {host} at {node.name}: {type(error).__name__}: {error}")
            self.visits += 1


@asynccontextmanager
async def traffic_on(platform: Platform) -> AsyncIterator[Traffic]:
    """Yield the traffic on *platform*, which ends in good order with the block."""
    traffic = Traffic(platform)
    running = asyncio.create_task(traffic.run())
    try:
        yield traffic
        traffic.end()
        await running
    finally:
        running.cancel()
        await asyncio.wait([running])
