"""RabbitMQ's management API: policies and users, which AMQP cannot set, and figures, which it half knows."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote

import aiohttp
import structlog
from pydantic import JsonValue
from yarl import URL

from shared.errors import BrokerUnavailableError, SettingsError
from shared.messaging.broker.link import open_session, vhost_of

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_SECONDS: Final = 10
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = 401
_BAD: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """What waits in a queue: *ready* to be delivered, or *unacked* with one of its consumers (None: not known)."""

    name: str
    ready: int
    unacked: int | None
    consumers: int


class ManagementApi:
    """The API in one virtual host, with the login that its address has."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, vhost: str) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._vhost = quote(vhost, safe="")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, vhost: str) -> AsyncIterator[Self]:
        """Give the API at *url*, as `http://user:password@host:15672`, for the length of the block."""
        if not url.startswith(("http://", "https://")):
            raise SettingsError("AMQP_MANAGEMENT_URL: an address such as http://user:password@host:15672 is needed")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session:
            yield cls(url, session, vhost=vhost)

    async def set_policy(self, name: str, *, pattern: str, apply_to: str, definition: dict[str, JsonValue]) -> None:
        """Make the policy *name*, or change it."""
        body: JsonValue = {"pattern": pattern, "apply-to": apply_to, "priority": 10, "definition": definition}
        await self._call("PUT", f"policies/{self._vhost}/{quote(name, safe='')}", body)

    async def set_user(self, user: str, password: str) -> None:
        """Make *user*, or change him; he has no tags, so this API has nothing for him."""
        await self._call("PUT", f"users/{quote(user, safe='')}", {"password": password, "tags": ""})

    async def set_permissions(self, user: str, *, configure: str, write: str, read: str) -> None:
        """Let *user* do in this virtual host what the three patterns match, and nothing else."""
        body: JsonValue = {"configure": configure, "write": write, "read": read}
        await self._call("PUT", f"permissions/{self._vhost}/{quote(user, safe='')}", body)

    async def figures(self, queue: str) -> QueueFigures | None:
        """Return the figures of *queue*, a few seconds old; None when there is none."""
        found = await self._call("GET", f"queues/{self._vhost}/{quote(queue, safe='')}", None)
        if not isinstance(found, dict):
            return None
        counts = {name: value for name, value in found.items() if isinstance(value, int)}
        return QueueFigures(
            name=queue,
            ready=counts.get("messages_ready", 0),
            unacked=counts.get("messages_unacknowledged", 0),
            consumers=counts.get("consumers", 0),
        )

    async def _call(self, method: str, path: str, body: JsonValue) -> JsonValue:
        shown = URL(self._url).with_user(None)
        try:
            # Encoded here: the virtual host `/` must stay `%2F`.
            url = URL(f"{self._url}/api/{path}", encoded=True)
            async with self._session.request(method, url, json=body) as response:
                if response.status == _NOT_FOUND and method == "GET":
                    return None
                if response.status == _UNAUTHORIZED:
                    raise BrokerUnavailableError(
                        f"RabbitMQ's management API at {shown} does not let {URL(self._url).user or 'us'} in: "
                        "AMQP_MANAGEMENT_URL (or AMQP_URL) needs a user with the tag `administrator`"
                    )
                if response.status >= _BAD:
                    answer = (await response.text())[:300]
                    raise BrokerUnavailableError(f"RabbitMQ's management API at {shown} refused {path}: {answer}")
                return await response.json() if response.content_type == "application/json" else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BrokerUnavailableError(
                f"RabbitMQ's management API at {shown} does not answer ({type(error).__name__}): enable it with "
                "`rabbitmq-plugins enable rabbitmq_management`, or say in AMQP_MANAGEMENT_URL where it is"
            ) from error


async def figures(management_url: str, amqp_url: str, queues: Iterable[str]) -> tuple[QueueFigures, ...]:
    """Return the figures of those of *queues* that exist; by AMQP, without unacknowledged, if the API does not answer.

    Raises:
        BrokerUnavailableError: AMQP does not answer either.
    """
    names = tuple(queues)
    try:
        async with ManagementApi.open(management_url, vhost=vhost_of(amqp_url)) as api:
            found = [await api.figures(name) for name in names]
    except BrokerUnavailableError as error:
        log.info("management_api_not_used", reason=str(error))
        found = [await _declare_passively(amqp_url, name) for name in names]
    return tuple(each for each in found if each is not None)


async def _declare_passively(amqp_url: str, queue: str) -> QueueFigures | None:
    """Ask by a passive declaration; each on a connection of its own, as a queue that is missing closes the channel."""
    async with open_session(amqp_url, name="certsmith figures") as session:
        try:
            async with session.asking() as channel:
                found = (await channel.declare_queue(queue, passive=True)).declaration_result
        except BrokerUnavailableError:
            if session.is_lost:
                return None
            raise
    return QueueFigures(name=queue, ready=found.message_count or 0, unacked=None, consumers=found.consumer_count or 0)
