"""A process's own pages over HTTP: `/metrics` for Prometheus, `/live` and `/ready` for its supervisor.

`/live` answers 200 as long as the event loop runs. `/ready` answers 200 when nothing is missing, else 503 with one line
for each missing thing. From the request to stop a process is not ready, so that it gets no new work.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from shared.errors import SettingsError

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_FAREWELL_SECONDS: Final = 1.0  # for requests that are being answered when the process ends

Missing = Callable[[], Awaitable[dict[str, str]]]
"""Returns what keeps the process from its work: a name and a sentence for each; empty when it is ready."""


@asynccontextmanager
async def health_server(
    host: str, port: int | None, missing: Missing, *, stop: asyncio.Event
) -> AsyncIterator[int | None]:
    """Serve the three pages on *host* and *port* while the block runs; yield the port.

    Port 0 means any free port; with None nothing is served.

    Raises:
        SettingsError: *host* and *port* cannot be listened on.
    """
    if port is None:
        yield None
        return
    runner = web.AppRunner(
        _application(missing, stop), access_log=None, handle_signals=False, shutdown_timeout=_FAREWELL_SECONDS
    )
    await runner.setup()
    try:
        await _listen(runner, host, port)
        bound: int = runner.addresses[0][1]
        log.info("health_server_started", host=host, port=bound)
        yield bound
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, reuse_address=True).start()
    except OSError as error:
        raise SettingsError(
            f"<SERVICE>_METRICS_HOST, <SERVICE>_METRICS_PORT: cannot listen on {host} port {port}: "
            f"{os.strerror(error.errno) if error.errno else error}"
        ) from None


def _application(missing: Missing, stop: asyncio.Event) -> web.Application:
    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def ready(_request: web.Request) -> web.Response:
        reasons = {"stopping": "the work in progress is being finished"} if stop.is_set() else await missing()
        lines = [f"{name}: {sentence}" for name, sentence in reasons.items()]
        if lines:
            return web.Response(status=503, text="\n".join(lines) + "\n")
        return web.Response(text="ready\n")

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/live", live), web.get("/ready", ready)])
    return application
