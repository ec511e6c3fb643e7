"""`certsmith publish`: publishes a request and, with `--wait`, watches the database until the request has ended."""

import asyncio
from typing import Final

from rich.text import Text

from certsmith.exits import ExitCode
from certsmith.publishing.waiting import RequestWatch, wait_for
from certsmith.settings import PublisherSettings
from certsmith.terminal import Terminal
from shared.events import Event
from shared.messaging.broker.link import user_of
from shared.messaging.publisher import Publisher
from shared.settings import load

_PUBLISH_SECONDS: Final = 5.0  # a person is waiting; a running broker confirms within milliseconds


def publish(event: Event, terminal: Terminal, *, wait_seconds: float | None) -> ExitCode:
    """Publish *event* and show it; with *wait_seconds*, also its outcome, if it ends within that time."""
    settings = load(PublisherSettings)
    if wait_seconds is None:
        asyncio.run(_send(event, settings))
        terminal.show(document_of(event), _published(event))
        return ExitCode.DONE
    return asyncio.run(_send_and_wait(event, terminal, settings, wait_seconds=wait_seconds))


def document_of(event: Event) -> dict[str, object]:
    """Return the published *event* as JSON."""
    about = "domain" if hasattr(event.data, "domain") else "certificate_id"
    return {
        "event_id": event.id,
        "correlation_id": event.cause.correlation_id,
        "type": event.type,
        "time": event.time,
        about: event.subject,
    }


async def _send(event: Event, settings: PublisherSettings) -> None:
    async with Publisher(settings.amqp_url.get_secret_value(), name="certsmith publish") as publisher:
        await publisher.publish(event, seconds=_PUBLISH_SECONDS)


async def _send_and_wait(
    event: Event, terminal: Terminal, settings: PublisherSettings, *, wait_seconds: float
) -> ExitCode:
    watch = RequestWatch(event=event, user_id=user_of(settings.amqp_url.get_secret_value()))
    url = settings.database_url.get_secret_value()

    async def send() -> None:
        await _send(event, settings)
        terminal.say(_published(event))

    waited = await wait_for(watch, url, terminal, begin=send, seconds=wait_seconds)
    terminal.show({**document_of(event), **waited.document}, waited.line, *waited.progress.details)
    return waited.exit_code


def _published(event: Event) -> Text:
    return Text.assemble("published ", (event.type, "bold"), f" for {event.subject}  ", (f"event {event.id}", "dim"))
