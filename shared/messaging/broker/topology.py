"""Exchanges, queues and policies: what must exist on the broker before anything is published.

The arguments of a queue cannot be changed after it was created, policies can; so everything that may ever change is a
policy. Policies come first, so that no queue is without one for a moment. Everything works the same on RabbitMQ 3.10
and 4.x: quorum queues, durable exchanges, and explicit limits, because the defaults differ (3.10 delivers a message
without end, 4.0 drops it after 20 deliveries).
"""

import asyncio
import re
from typing import Final

from pydantic import JsonValue

from shared.events import (
    CertificateDeletionRequested,
    CertificateRenewalRequested,
    CertificateRevocationRequested,
    CertificateUploaded,
    DomainCreated,
    DomainDeleted,
    DomainUpdated,
)
from shared.messaging.broker.link import Session, open_session, vhost_of
from shared.messaging.broker.management import ManagementApi
from shared.messaging.broker.names import (
    EVENTS_EXCHANGE,
    PUBLIC_EXCHANGE,
    UNROUTABLE,
    dead_letters_of,
    node_queues_of,
    queue_of,
)

SUBSCRIPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "provisioner": (
        DomainCreated.type,
        DomainUpdated.type,
        DomainDeleted.type,
        CertificateRenewalRequested.type,
        CertificateRevocationRequested.type,
    ),
    "validator": (CertificateUploaded.type, CertificateDeletionRequested.type),
}
UNROUTABLE_KEEPER: Final = "provisioner"  # moves unroutable messages to its dead letters
NODE_SERVICES: Final = ("terminator", "api")  # each process consumes facts from an exclusive queue

# Deliveries that may fail. When a process is killed, every message that it had prefetched counts as failed once. The
# provisioner works in its handlers; the validator's handlers only store the upload, so its limit can be high enough
# that no upload is given up because its validator was killed again and again.
DELIVERY_LIMITS: Final = {"provisioner": 5, "validator": 20}
# Measured on 3.10: a quorum queue younger than a second is lost when the broker is killed, and the queue that comes
# back under its name never gets a leader. RabbitMQ writes the table with its place after 500 ms without changes.
SETTLE_SECONDS: Final = 1.5
_NO_LIMIT: Final = 1_000_000_000  # -1 is understood by 4.x only
_MAX_HINTS: Final = 100_000  # for a node that does not read; it also polls for changes


def service_queues(service: str) -> tuple[str, ...]:
    """Return the queues of *service* whose messages are handled."""
    return tuple(queue_of(service, each) for each in SUBSCRIPTIONS.get(service, ()))


def kept_queues(service: str) -> tuple[str, ...]:
    """Return the queues of *service* whose messages are moved to the table of dead letters."""
    own = (dead_letters_of(service),) if service in SUBSCRIPTIONS else ()
    return (*own, UNROUTABLE) if service == UNROUTABLE_KEEPER else own


def all_queues() -> tuple[str, ...]:
    """Return every durable queue."""
    return tuple(name for service in SUBSCRIPTIONS for name in (*service_queues(service), *kept_queues(service)))


async def declare(amqp_url: str, management_url: str, *, settle_seconds: float = SETTLE_SECONDS) -> None:
    """Create what is missing and change what differs; messages in queues are not touched.

    After creating a queue this takes *settle_seconds* longer, until the queue would survive a `kill -9` of the broker.

    Raises:
        BrokerUnavailableError: AMQP or the management API does not answer or refuses; the text says what to do.
    """
    async with ManagementApi.open(management_url, vhost=vhost_of(amqp_url)) as api:
        is_new = any([await api.statistics(name) is None for name in all_queues()])
        await _set_policies(api)
    async with open_session(amqp_url, name="certsmith migrate") as session:
        await _declare_exchanges(session)
        await _declare_queues(session)
    if is_new:
        await asyncio.sleep(settle_seconds)


async def _set_policies(api: ManagementApi) -> None:
    await api.set_policy(
        "certsmith-public",
        pattern=exactly((PUBLIC_EXCHANGE,)),
        apply_to="exchanges",
        definition={"alternate-exchange": UNROUTABLE},
    )
    for service in SUBSCRIPTIONS:
        await api.set_policy(
            f"certsmith-{service}",
            pattern=exactly(service_queues(service)),
            apply_to="queues",
            definition=_limited(dead_letters_of(service), DELIVERY_LIMITS[service]),
        )
    kept = [name for service in SUBSCRIPTIONS for name in kept_queues(service)]
    await api.set_policy(
        "certsmith-dead-letters",
        pattern=exactly(kept),
        apply_to="queues",
        definition={"delivery-limit": _NO_LIMIT},  # nothing may ever be dropped from it
    )
    await api.set_policy(
        "certsmith-nodes",
        pattern=beginning_with([node_queues_of(service) for service in NODE_SERVICES]),
        apply_to="queues",
        definition={"max-length": _MAX_HINTS},
    )


def _limited(dead_letter_queue: str, delivery_limit: int) -> dict[str, JsonValue]:
    return {
        "delivery-limit": delivery_limit,
        "dead-letter-exchange": "",  # the default exchange: every queue is bound to it by its name
        "dead-letter-routing-key": dead_letter_queue,
        # Otherwise a dead letter that cannot be routed at that moment is lost. It requires reject-publish.
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }


async def _declare_exchanges(session: Session) -> None:
    for name, kind in ((UNROUTABLE, "fanout"), (PUBLIC_EXCHANGE, "topic"), (EVENTS_EXCHANGE, "topic")):
        async with session.asking() as channel:
            await channel.declare_exchange(name, kind, durable=True)


async def _declare_queues(session: Session) -> None:
    # First the queues that dead letters go to.
    for service in SUBSCRIPTIONS:
        for name in (*kept_queues(service), *service_queues(service)):
            async with session.asking() as channel:
                await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
    async with session.asking() as channel:
        unroutable = await channel.get_queue(UNROUTABLE, ensure=False)
        await unroutable.bind(UNROUTABLE, routing_key="")
    for service, types in SUBSCRIPTIONS.items():
        for event_type in types:
            async with session.asking() as channel:
                queue = await channel.get_queue(queue_of(service, event_type), ensure=False)
                await queue.bind(PUBLIC_EXCHANGE, event_type)


def exactly(names: tuple[str, ...] | list[str]) -> str:
    """Return the pattern that matches *names* and nothing else; without names, one that matches nothing."""
    return f"^({'|'.join(re.escape(name) for name in names)})$" if names else "^$"


def beginning_with(prefixes: list[str]) -> str:
    """Return the pattern that matches all names that begin with one of *prefixes*."""
    return f"^({'|'.join(re.escape(prefix) for prefix in prefixes)})"
