"""Who may do what on the broker: each service its part, outsiders one exchange, and nobody more.

A permission is three patterns in a virtual host: what may be *configured* (made and deleted), *written* (published to,
or bound) and *read* (consumed, or bound from). What is not matched is refused, the default exchange (`amq.default`) as
well, so nobody can slip a message into a queue. `CC` and `BCC` are more routing keys for the same exchange.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from yarl import URL

from shared.messaging.broker.link import user_of, vhost_of
from shared.messaging.broker.management import ManagementApi
from shared.messaging.broker.names import EVENTS_EXCHANGE, PUBLIC_EXCHANGE, node_queues_of
from shared.messaging.broker.topology import (
    NODE_SERVICES,
    SUBSCRIPTIONS,
    beginning_with,
    exactly,
    kept_queues,
    service_queues,
)

PUBLISHER: Final = "publisher"  # whoever outside may publish requests
PRINCIPALS: Final = (*SUBSCRIPTIONS, *NODE_SERVICES, PUBLISHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The three patterns."""

    configure: str
    write: str
    read: str


def permissions_of(principal: str) -> Permissions:
    """Return what *principal*, a service or the publisher, may do."""
    writes = [PUBLIC_EXCHANGE] if principal in (PUBLISHER, "api") else []
    reads: list[str] = []
    if principal != PUBLISHER:
        writes.append(EVENTS_EXCHANGE)
        reads += [*service_queues(principal), *kept_queues(principal)]
    if principal not in NODE_SERVICES:
        return Permissions(configure=exactly(()), write=exactly(writes), read=exactly(reads))
    own = beginning_with([node_queues_of(principal)])
    return Permissions(
        configure=own,
        write=f"{exactly(writes)}|{own}",
        read=f"{exactly([*reads, EVENTS_EXCHANGE])}|{own}",
    )


async def permit(amqp_url: str, management_url: str, principals: Mapping[str, str]) -> None:
    """Make the broker's user for each of *principals*, given with its AMQP address, and set what it may do.

    Who uses the address of the administrator, *amqp_url*, is left as he is. A user that stands for several may do what
    each of them may.

    Raises:
        BrokerUnavailableError: the management API does not answer or refuses; the text says what to do.
    """
    users: dict[str, list[str]] = {}
    for principal, url in principals.items():
        users.setdefault(url, []).append(principal)
    async with ManagementApi.open(management_url, vhost=vhost_of(amqp_url)) as api:
        for url, names in users.items():
            user = user_of(url)
            if user == user_of(amqp_url):
                continue
            each = [permissions_of(name) for name in names]
            await api.set_user(user, URL(url).password or "")
            await api.set_permissions(
                user,
                configure="|".join(one.configure for one in each),
                write="|".join(one.write for one in each),
                read="|".join(one.read for one in each),
            )
