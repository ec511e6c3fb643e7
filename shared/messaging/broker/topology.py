"""Exchanges, queues and policies: what must stand on the broker before anybody says anything.

Arguments of a queue cannot be changed after it was made, policies can; so all that may ever change is a policy.
Policies come first, so that no queue is without one for a moment. Everything works the same on RabbitMQ 3.10 and 4.x:
quorum queues, durable exchanges, and limits that are said, because their defaults differ (a message is delivered for
ever in 3.10, and dropped after 20 times in 4.0).
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
UNROUTABLE_KEEPER: Final = "provisioner"  # moves what no queue takes to its dead letters
NODE_SERVICES: Final = ("terminator", "api")  # each process listens to facts on an exclusive queue

# A process that is killed has failed with all that it had taken. The provisioner does its work in its handlers; the
# validator's only store what came, so that no upload is given up because its validator was killed again and again.
DELIVERY_LIMITS: Final = {"provisioner": 5, "validator": 20}
# Measured on 3.10: a quorum queue younger than a second is lost when the broker is killed, and what comes back under
# its name has no leader and never gets one. The table with its place is written after 500 ms without changes.
SETTLE_SECONDS: Final = 1.5
_NO_LIMIT: Final = 1_000_000_000  # -1 is understood by 4.x only
_MAX_HINTS: Final = 100_000  # of a node that does not read; it looks for changes by itself as well


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
    """Make what is missing and change what differs; nothing that waits in a queue is touched.

    After making a queue this takes *settle_seconds* longer, until the broker would have it back after a `kill -9`.

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
        definition={"delivery-limit": _NO_LIMIT},  # the last stop: nothing may be dropped from it
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
        "dead-letter-exchange": "",  # the default exchange, which every queue is bound to by its name
        "dead-letter-routing-key": dead_letter_queue,
        # Otherwise what cannot be routed at that moment is lost; it requires that a full queue refuses.
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }


async def _declare_exchanges(session: Session) -> None:
    for name, kind in ((UNROUTABLE, "fanout"), (PUBLIC_EXCHANGE, "topic"), (EVENTS_EXCHANGE, "topic")):
        async with session.asking() as channel:
            await channel.declare_exchange(name, kind, durable=True)


async def _declare_queues(session: Session) -> None:
    # Where dead letters go comes first.
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
    """Return the pattern that matches *names* and nothing else; of none, the one that matches nothing."""
    return f"^({'|'.join(re.escape(name) for name in names)})$" if names else "^$"


def beginning_with(prefixes: list[str]) -> str:
    """Return the pattern that matches what begins with one of *prefixes*."""
    return f"^({'|'.join(re.escape(prefix) for prefix in prefixes)})"
