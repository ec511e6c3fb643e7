"""Publishes requests as a company's own systems do, with a login that may do nothing else."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import aio_pika
import aio_pika.exceptions

from shared.identifiers import new_event_id

PUBLIC: Final = "certsmith.public"
SOURCE: Final = "/shop/backend"
PATIENCE_SECONDS: Final = 300.0  # a broker may be restarted meanwhile, on a busy machine
_PAUSE_SECONDS: Final = 0.2


def cloud_event(event_type: str, data: object, *, event_id: str | None = None) -> dict[str, Any]:
    """Return the CloudEvents envelope of a request."""
    return {
        "specversion": "1.0",
        "id": event_id or new_event_id(),
        "source": SOURCE,
        "type": event_type,
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


class Publisher:
    """A plain AMQP client with publisher confirms: each message it has published is in a queue."""

    def __init__(self, url: str) -> None:
        self._url: Final = url

    async def bare(self, event_type: str, data: object, *, copies: int = 1) -> None:
        """Publish *data* as JSON without an envelope, as a shell script does."""
        await self._send(event_type, json.dumps(data), content_type=None, copies=copies)

    async def structured(self, event: Mapping[str, Any], *, copies: int = 1) -> None:
        """Publish a CloudEvent in structured mode: attributes and data in the body."""
        await self._send(event["type"], json.dumps(event), content_type="application/cloudevents+json", copies=copies)

    async def binary(self, event: Mapping[str, Any], *, copies: int = 1) -> None:
        """Publish a CloudEvent in binary mode: the attributes in headers, the data in the body."""
        attributes = {f"ce-{name}": value for name, value in event.items() if name not in ("data", "datacontenttype")}
        body = json.dumps(event["data"])
        await self._send(event["type"], body, content_type="application/json", headers=attributes, copies=copies)

    async def _send(
        self, event_type: str, body: str, *, content_type: str | None, copies: int, headers: Any = None
    ) -> None:
        connection = await aio_pika.connect(self._url, timeout=10)
        async with connection:
            channel = await connection.channel(on_return_raises=True)
            exchange = await channel.get_exchange(PUBLIC, ensure=False)
            messages = [
                aio_pika.Message(
                    body.encode(),
                    content_type=content_type,
                    headers=headers,
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                )
                for _ in range(copies)
            ]
            sending = [exchange.publish(message, routing_key=event_type, timeout=10) for message in messages]
            await asyncio.gather(*sending)


async def patiently(publish: Callable[[], Awaitable[None]]) -> None:
    """Call *publish* again and again until the broker has confirmed; the message may arrive more than once."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await publish()
            except (OSError, TimeoutError, aio_pika.exceptions.AMQPError, asyncio.CancelledError):
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # aio-pika may have replaced the cancellation with an error
                    raise asyncio.CancelledError from None
            await asyncio.sleep(_PAUSE_SECONDS)
