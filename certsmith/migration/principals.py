"""The broker's users and their permissions: each service gets what it uses, outside publishers get one exchange.

A permission is three patterns in a virtual host, for the names of queues and exchanges that a user may *configure*
(create and delete), *write* (publish to, or bind) and *read* (consume, or bind from). A name that no pattern matches is
refused, and so is the default exchange (`amq.default`): no user can publish straight into a queue. The headers `CC` and
`BCC` only add routing keys for the same exchange.
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

PUBLISHER: Final = "publisher"  # the platform, which publishes requests
PRINCIPALS: Final = (*SUBSCRIPTIONS, *NODE_SERVICES, PUBLISHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The three patterns of one user."""

    configure: str
    write: str
    read: str


def permissions_of(principal: str) -> Permissions:
    """Return the permissions of *principal*, a service or the publisher."""
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
    """Create or change the broker's user for each of *principals*, given with its AMQP address, and its permissions.

    A principal that uses the administrator's address, *amqp_url*, is left unchanged. A user that several principals
    share gets the permissions of all of them. Several processes may do this at once, and it may be repeated.

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
