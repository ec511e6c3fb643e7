"""Listening to facts on a real broker."""

import asyncio
from collections.abc import AsyncIterator

import aiormq
import pytest_asyncio

from dev.servers.broker import Broker
from shared.events import DomainChanged, Event, Incoming
from shared.messaging.listener import NodeListener
from shared.messaging.publisher import Publisher
from tests.rig.messaging.support import Proxy, running, until


def a_fact(domain: str) -> Event:
    return Event(data=DomainChanged(domain=domain, version=1, deleted=False), source="test")


class Node:
    """A node that records what it receives."""

    def __init__(self, url: str) -> None:
        self.heard: list[str] = []
        self.catch_up = asyncio.Event()
        self.catch_up.set()
        self.fails = 0
        self.listener = NodeListener(
            url,
            service="terminator",
            types=[DomainChanged.type],
            on_event=self.on_event,
            on_connected=self.on_connected,
        )

    async def on_connected(self) -> None:
        """Record the call, and take as long as the test says."""
        self.heard.append("(connected)")
        await self.catch_up.wait()
        self.heard.append("(caught up)")

    async def on_event(self, event: Incoming) -> None:
        """Record the domain, or fail."""
        assert isinstance(event.data, DomainChanged)
        if self.fails:
            self.fails -= 1
            raise ValueError("a bug")
        self.heard.append(event.data.domain)

    async def listens(self) -> bool:
        """Return whether it is connected and has caught up."""
        return self.listener.trouble is None

    async def has_heard(self, *what: str) -> bool:
        """Return whether it has received exactly *what*, in this order."""
        return self.heard == list(what)


@pytest_asyncio.fixture
async def proxy(rabbitmq: Broker) -> AsyncIterator[Proxy]:
    """Yield a proxy in front of the broker."""
    async with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        yield proxy


async def test_a_node_receives_each_fact_in_order(bus: str, publisher: Publisher) -> None:
    node = Node(bus)
    names = [f"{number}.example" for number in range(50)]

    async with running(node.listener.run):
        await until(node.listens, "the node to listen")
        for name in names:
            await publisher.publish(a_fact(name))
        await until(lambda: node.has_heard("(connected)", "(caught up)", *names), "all facts")


async def test_facts_that_arrive_while_a_node_catches_up_are_received_afterwards(
    bus: str, publisher: Publisher
) -> None:
    node = Node(bus)
    node.catch_up.clear()

    async with running(node.listener.run):
        await until(lambda: node.has_heard("(connected)"), "the node to connect")
        await publisher.publish(a_fact("early.example"))
        node.catch_up.set()
        await until(lambda: node.has_heard("(connected)", "(caught up)", "early.example"), "the early fact")


async def test_every_node_receives_every_fact(bus: str, publisher: Publisher) -> None:
    first, second = Node(bus), Node(bus)

    async with running(first.listener.run), running(second.listener.run):
        await until(first.listens, "the first to listen")
        await until(second.listens, "the second to listen")
        await publisher.publish(a_fact("a.example"))
        for node in (first, second):
            await until(lambda node=node: node.has_heard("(connected)", "(caught up)", "a.example"), "the fact")  # type: ignore[misc]  # mypy cannot infer the lambda


async def test_after_a_cut_a_node_catches_up_and_goes_on(
    bus: str, rabbitmq: Broker, publisher: Publisher, proxy: Proxy
) -> None:
    node = Node(bus.replace(f":{rabbitmq.port}/", f":{proxy.port}/"))

    async with running(node.listener.run):
        await until(node.listens, "the node to listen")
        proxy.cut()
        await until(lambda: node.has_heard(*["(connected)", "(caught up)"] * 2), "the node to catch up again")
        await until(node.listens, "the node to listen again")
        await publisher.publish(a_fact("a.example"))
        await until(lambda: node.has_heard(*["(connected)", "(caught up)"] * 2, "a.example"), "the fact")


async def test_a_silent_link_is_closed_within_half_a_minute(
    bus: str, rabbitmq: Broker, publisher: Publisher, proxy: Proxy
) -> None:
    node = Node(bus.replace(f":{rabbitmq.port}/", f":{proxy.port}/"))

    async with running(node.listener.run):
        await until(node.listens, "the node to listen")
        proxy.swallow()

        async def troubled() -> bool:
            return node.listener.trouble is not None

        await until(troubled, "the node to notice")
        proxy.carry()
        await until(node.listens, "the node to listen again")
        await publisher.publish(a_fact("a.example"))
        await until(lambda: node.has_heard(*["(connected)", "(caught up)"] * 2, "a.example"), "the fact")


async def test_after_a_hint_that_failed_the_node_catches_up(bus: str, publisher: Publisher) -> None:
    node = Node(bus)
    node.fails = 1

    async with running(node.listener.run):
        await until(node.listens, "the node to listen")
        await publisher.publish(a_fact("a.example"))
        await until(lambda: node.has_heard(*["(connected)", "(caught up)"] * 2), "the node to catch up again")


async def test_messages_that_are_not_facts_are_skipped(bus: str, publisher: Publisher) -> None:
    node = Node(bus)

    async with running(node.listener.run), aiormq.Connection(bus) as connection:
        await until(node.listens, "the node to listen")
        channel = await connection.channel()
        await channel.basic_publish(b"{", exchange="certsmith.events", routing_key="domain.changed")
        await publisher.publish(a_fact("a.example"))
        await until(lambda: node.has_heard("(connected)", "(caught up)", "a.example"), "the fact")


async def test_a_node_leaves_no_queue_behind(bus: str, rabbitmq: Broker, vhost: str) -> None:
    node = Node(bus)

    async def node_queues() -> bool:
        found = await rabbitmq.manage("GET", f"queues/{vhost}?columns=name")
        return any(queue["name"].startswith("terminator.node.") for queue in found)

    async def no_node_queues() -> bool:
        return not await node_queues()

    async with running(node.listener.run):
        await until(node_queues, "the node's queue")
    await until(no_node_queues, "the node's queue to go")
