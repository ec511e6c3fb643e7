"""`certsmith dead-letters`: shows refused messages, publishes them again, deletes them."""

import asyncio
import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from certsmith.actions.replay import replay
from certsmith.database import operator_connection
from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.settings import OperatorSettings
from certsmith.terminal import Terminal, facts, printable, table
from shared.messaging import dead_letters
from shared.messaging.dead_letters import StoredDeadLetter
from shared.messaging.publisher import Publisher
from shared.settings import load
from shared.store import open_pool

_PUBLISH_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """The options of `dead-letters list`."""

    service: str | None
    replayed_too: bool
    limit: int
    before: int | None


def show_list(wanted: DeadLetterFilter, terminal: Terminal) -> ExitCode:
    """Show the *wanted* dead letters."""
    found = asyncio.run(_listed(wanted))
    terminal.show(
        {"dead_letters": [_summary(stored) for stored in found]},
        table("id", "received", "of", "type", "about", "reason", rows=map(_row, found))
        if found
        else "there are no dead letters",
    )
    return ExitCode.DONE


def show_letter(letter_id: int, terminal: Terminal) -> ExitCode:
    """Show the dead letter *letter_id* in full."""
    stored = asyncio.run(_found(letter_id))
    terminal.show({**_summary(stored), **_content(stored)}, facts(_facts(stored)))
    return ExitCode.DONE


def replay_letters(ids: Sequence[int], terminal: Terminal) -> ExitCode:
    """Publish the dead letters *ids* again, one by one."""
    for letter_id in ids:
        asyncio.run(_replay(letter_id))
        terminal.say(Text(f"published dead letter {letter_id} again"))
    terminal.show({"replayed": list(ids)})
    return ExitCode.DONE


def drop_letters(ids: Sequence[int], terminal: Terminal) -> ExitCode:
    """Delete the dead letters *ids*."""
    for letter_id in ids:
        asyncio.run(_drop(letter_id))
        terminal.say(Text(f"deleted dead letter {letter_id}"))
    terminal.show({"dropped": list(ids)})
    return ExitCode.DONE


def _url() -> str:
    return load(OperatorSettings).database_url.get_secret_value()


async def _listed(wanted: DeadLetterFilter) -> tuple[StoredDeadLetter, ...]:
    async with operator_connection(_url()) as connection:
        return await dead_letters.list_newest(
            connection,
            service=wanted.service,
            replayed_too=wanted.replayed_too,
            before=wanted.before,
            limit=wanted.limit,
        )


async def _found(letter_id: int) -> StoredDeadLetter:
    async with operator_connection(_url()) as connection:
        stored = await dead_letters.find(connection, letter_id)
    if stored is None:
        raise _missing(letter_id)
    return stored


async def _replay(letter_id: int) -> None:
    await _found(letter_id)  # also fails if the database does not answer; the pool below would wait for it
    async with (
        open_pool(_url(), role="operator", max_size=1) as pool,
        Publisher(load(OperatorSettings).amqp_url.get_secret_value(), name="certsmith dead-letters") as publisher,
    ):
        await replay(pool, publisher, letter_id, seconds=_PUBLISH_SECONDS)


async def _drop(letter_id: int) -> None:
    async with operator_connection(_url()) as connection:
        if not await dead_letters.drop(connection, letter_id):
            raise _missing(letter_id)


def _missing(letter_id: int) -> CommandError:
    text = f"there is no dead letter {letter_id}; see `certsmith dead-letters list`"
    return CommandError(text, code="not_found", exit_code=ExitCode.NOT_FOUND)


def _summary(stored: StoredDeadLetter) -> dict[str, object]:
    fields = asdict(stored.letter)
    hidden = ("headers", "body")
    known = {name: value for name, value in fields.items() if name not in hidden}
    return {
        "id": stored.id,
        **known,
        "about": _about(stored),
        "received_at": stored.received_at,
        "replayed_at": stored.replayed_at,
    }


def _content(stored: StoredDeadLetter) -> dict[str, object]:
    """Return headers and body: `body` as text if it is UTF-8, else None; `body_base64` always."""
    body = stored.letter.body
    try:
        text: str | None = body.decode()
    except UnicodeDecodeError:
        text = None
    return {"headers": stored.letter.headers, "body": text, "body_base64": base64.b64encode(body).decode()}


def _about(stored: StoredDeadLetter) -> str | None:
    """Return the domain or certificate id in the message's data; None if the message is malformed."""
    try:
        document = json.loads(stored.letter.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    data = document.get("data") if isinstance(document.get("data"), dict) else document
    about = (data or {}).get("domain") or (data or {}).get("certificate_id")
    return about if isinstance(about, str) else None


def _row(stored: StoredDeadLetter) -> tuple[RenderableType, ...]:
    letter = stored.letter
    return (
        Text(str(stored.id), "bold"),
        Text(f"{stored.received_at:%m-%d %H:%M:%S}", "dim"),
        letter.service,
        Text(printable(letter.type or letter.routing_key)),
        Text(printable(_about(stored) or "-")),
        Text.assemble((f"{letter.reason_code}: ", "red"), letter.reason),
    )


def _facts(stored: StoredDeadLetter) -> Iterator[tuple[str, RenderableType]]:
    letter = stored.letter
    yield "dead letter", Text(f"{stored.id} of {letter.service}", "bold")
    yield "reason", Text.assemble((f"{letter.reason_code}: ", "red"), letter.reason)
    replayed = f", replayed {stored.replayed_at:%Y-%m-%d %H:%M:%S} UTC" if stored.replayed_at else ""
    yield "received", f"{stored.received_at:%Y-%m-%d %H:%M:%S} UTC in {letter.queue}{replayed}"
    yield "published to", printable(f"{letter.exchange} with routing key {letter.routing_key}")
    yield "by", printable(f"{letter.user_id or 'an unknown user'}, source {letter.source or 'none'}")
    yield "event", printable(f"{letter.event_id or 'no id'}, correlation id {letter.correlation_id or 'none'}")
    yield "headers", Text(json.dumps(letter.headers, ensure_ascii=True))
    if not letter.is_whole:
        yield "body", "not stored"
    else:
        yield "body", "\n".join(map(printable, letter.body.decode(errors="replace").split("\n")))
