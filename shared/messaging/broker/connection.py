"""The connection to RabbitMQ: aio-pika's plain `Connection`, over a transport of ours.

The transport puts the guard (`frame_guard`) between the socket and the library, turns on TCP keepalive, and can be cut.
It is handed over as aiormq's `transport_factory`: aiormq is the protocol layer below aio-pika, by the same authors.

aio-pika also has robust connections, which reconnect by themselves. They are not used here: a consumer must forget
what the old connection delivered, and a publisher must know what was not confirmed (docs/decisions/0005).
"""

import asyncio
import logging
import time
from typing import Any, Final, cast

import aio_pika
from aiormq.connection import TransportFactory
from yarl import URL

from shared.messaging.broker.frame_guard import GuardedReader
from shared.process.keepalive import keep_alive

# Both libraries log messages, and what is in them, when something surprises them. Messages do not belong in logs.
for _library in ("aio_pika", "aiormq"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)

HEARTBEAT_SECONDS: Final = 5  # the broker sends one every half of it


class GuardedTransport(TransportFactory):
    """Opens the socket, guards the incoming frames, and can cut the connection."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._reader: GuardedReader | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:  # noqa: ANN401 - the library's signature
        """Connect to the host of *url*; called by the library."""
        provider = kwargs["ssl_context_provider"]
        context = await provider.get_context() if url.scheme == "amqps" else None
        reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
        keep_alive(writer.get_extra_info("socket"))
        self._writer, self._reader = writer, GuardedReader(reader)
        return cast("asyncio.StreamReader", self._reader), writer

    @property
    def silent_seconds(self) -> float:
        """The time since the last frame arrived, heartbeats included."""
        return time.monotonic() - self._reader.heard_at if self._reader else 0.0

    def cut(self) -> None:
        """Close the socket at once; every call that waits on it fails."""
        if self._writer is not None:
            self._writer.transport.abort()


class GuardedConnection(aio_pika.Connection):
    """aio-pika's connection over a `GuardedTransport`; when it is lost it stays lost."""

    def __init__(self, url: str, *, name: str) -> None:
        super().__init__(_with_heartbeat(url), client_properties={"connection_name": name})
        self.guard = GuardedTransport()
        self.kwargs["transport_factory"] = self.guard  # aio-pika passes its keyword arguments on to aiormq

    @property
    def heartbeat_seconds(self) -> int:
        """The heartbeat that was agreed with the broker; 0 means none."""
        return 0 if self.transport is None else self.transport.connection.connection_tune.heartbeat or 0


def _with_heartbeat(url: str) -> URL:
    parsed = URL(url)
    return parsed if "heartbeat" in parsed.query else parsed.update_query(heartbeat=HEARTBEAT_SECONDS)
