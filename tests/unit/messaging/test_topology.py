"""The declared queues and exchanges, and the permissions on them."""

import re

import pytest

from certsmith.migration.principals import PRINCIPALS, permissions_of
from shared.events import FACTS, PUBLIC
from shared.messaging.broker.topology import SUBSCRIPTIONS, all_queues, kept_queues, service_queues

EVERYTHING = (
    *all_queues(),
    "certsmith.public",
    "certsmith.events",
    "amq.default",
    "amq.topic",
    "terminator.node.0a",
    "api.node.0a",
    "xcertsmith.public",
    "certsmith.publicx",
    "certsmithxpublic",
)


def matched(pattern: str) -> set[str]:
    return {name for name in EVERYTHING if re.search(pattern, name)}


def test_every_type_of_request_is_consumed_by_one_service() -> None:
    consumed = [event_type for types in SUBSCRIPTIONS.values() for event_type in types]

    assert sorted(consumed) == sorted(PUBLIC)


def test_types_of_requests_and_facts_are_different() -> None:
    assert not PUBLIC.keys() & FACTS.keys()


def test_dead_letters_are_in_no_queue_that_is_handled() -> None:
    for service in SUBSCRIPTIONS:
        assert not set(kept_queues(service)) & set(service_queues(service))


def test_an_outsider_may_write_to_one_exchange() -> None:
    allowed = permissions_of("publisher")

    assert matched(allowed.write) == {"certsmith.public"}
    assert matched(allowed.configure) == set()
    assert matched(allowed.read) == set()


@pytest.mark.parametrize("service", SUBSCRIPTIONS)
def test_a_service_reads_its_own_queues_and_writes_facts(service: str) -> None:
    allowed = permissions_of(service)

    assert matched(allowed.read) == {*service_queues(service), *kept_queues(service)}
    assert matched(allowed.write) == {"certsmith.events"}
    assert matched(allowed.configure) == set()


def test_a_node_creates_its_own_queues_and_reads_facts() -> None:
    allowed = permissions_of("terminator")

    assert matched(allowed.configure) == {"terminator.node.0a"}
    assert matched(allowed.read) == {"terminator.node.0a", "certsmith.events"}
    assert matched(allowed.write) == {"terminator.node.0a", "certsmith.events"}


def test_no_principal_may_write_to_the_default_exchange() -> None:
    assert not any("amq.default" in matched(permissions_of(name).write) for name in PRINCIPALS)
