"""RabbitMQ's management API: policies and users, which AMQP cannot set, and the statistics of queues."""

import asyncio
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
from shared.process.backoff import Backoff

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_SECONDS: Final = 10
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = 401
_BAD: Final = 400
_EXISTS_ALREADY: Final = "user_already_exists"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatistics:
    """The messages in a queue: *ready* to be delivered, or *unacked* at one of its consumers (None: not known)."""

    name: str
    ready: int
    unacked: int | None
    consumers: int


class _ExistsAlreadyError(BrokerUnavailableError):
    """RabbitMQ refused to create a user that another request has created meanwhile."""


class ManagementApi:
    """The API in one virtual host, with the login of its address."""

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
        """Create the policy *name*, or change it."""
        body: JsonValue = {"pattern": pattern, "apply-to": apply_to, "priority": 10, "definition": definition}
        await self._call("PUT", f"policies/{self._vhost}/{quote(name, safe='')}", body)

    async def set_user(self, user: str, password: str) -> None:
        """Create *user*, or change it; it gets no tags, so it cannot use this API.

        RabbitMQ first looks whether the user exists, and then creates or changes it. When two requests create the same
        user at once, both see none, and the second is refused although it only has to be repeated: another process may
        migrate at the same time, and aiohttp repeats a request whose connection was lost while it was carried out.
        """
        body: JsonValue = {"password": password, "tags": ""}
        backoff = Backoff()
        for _ in range(_TRIES - 1):
            try:
                await self._call("PUT", f"users/{quote(user, safe='')}", body)
            except _ExistsAlreadyError:
                await asyncio.sleep(backoff.delay())
            else:
                return
        await self._call("PUT", f"users/{quote(user, safe='')}", body)

    async def set_permissions(self, user: str, *, configure: str, write: str, read: str) -> None:
        """Permit *user* in this virtual host what the three patterns match, and nothing else."""
        body: JsonValue = {"configure": configure, "write": write, "read": read}
        await self._call("PUT", f"permissions/{self._vhost}/{quote(user, safe='')}", body)

    async def statistics(self, queue: str) -> QueueStatistics | None:
        """Return the statistics of *queue*, a few seconds old; None if there is no such queue."""
        found = await self._call("GET", f"queues/{self._vhost}/{quote(queue, safe='')}", None)
        if not isinstance(found, dict):
            return None
        counts = {name: value for name, value in found.items() if isinstance(value, int)}
        return QueueStatistics(
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
                    kind = _ExistsAlreadyError if _EXISTS_ALREADY in answer else BrokerUnavailableError
                    raise kind(f"RabbitMQ's management API at {shown} refused {path}: {answer}")
                return await response.json() if response.content_type == "application/json" else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BrokerUnavailableError(
                f"RabbitMQ's management API at {shown} does not answer ({type(error).__name__}): enable it with "
                "`rabbitmq-plugins enable rabbitmq_management`, or set AMQP_MANAGEMENT_URL to its address"
            ) from error


async def statistics(management_url: str, amqp_url: str, queues: Iterable[str]) -> tuple[QueueStatistics, ...]:
    """Return the statistics of those of *queues* that exist; by AMQP, without *unacked*, if the API does not answer.

    Raises:
        BrokerUnavailableError: AMQP does not answer either.
    """
    names = tuple(queues)
    try:
        async with ManagementApi.open(management_url, vhost=vhost_of(amqp_url)) as api:
            found = [await api.statistics(name) for name in names]
    except BrokerUnavailableError as error:
        log.info("management_api_not_used", reason=str(error))
        found = [await _declare_passively(amqp_url, name) for name in names]
    return tuple(each for each in found if each is not None)


async def _declare_passively(amqp_url: str, name: str) -> QueueStatistics | None:
    """Ask with a passive declaration on a new connection, because a missing queue closes the channel."""
    async with open_session(amqp_url, name="certsmith queues") as session:
        try:
            async with session.asking() as channel:
                found = (await channel.declare_queue(name, passive=True)).declaration_result
        except BrokerUnavailableError:
            if session.is_lost:
                return None
            raise
    return QueueStatistics(name=name, ready=found.message_count or 0, unacked=None, consumers=found.consumer_count or 0)
