"""`certsmith keys generate` and `certsmith keys status`; of a key only its id is shown, never its material."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from rich.text import Text

from certsmith.database import keeper_connection
from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.rotation import generation
from certsmith.rotation.generation import RingStatus
from certsmith.rotation.usage import count_uses
from certsmith.settings import KeeperSettings
from certsmith.terminal import Terminal, table
from shared.errors import SettingsError
from shared.settings import KeySettings, load
from shared.vault import KeyFiles
from shared.vault.rings import KeyState, RingKey, utc_now

Usage: TypeAlias = dict[str, int]

# The services, and uploaders, that cannot work without each ring.
NEEDED_BY: Final = {
    "vault_public_file": ("provisioner", "validator"),
    "vault_secret_file": ("terminator",),
    "verify_file": ("terminator",),
    "intake_public_file": ("uploaders",),
    "intake_secret_file": ("validator",),
    "provisioner_signing_file": ("provisioner",),
    "validator_signing_file": ("validator",),
    "provisioner_secret_file": ("provisioner",),
}
_UNCOUNTED: Final = frozenset({"provisioner_secret_file"})  # the role keeper cannot read ACME accounts


def generate_keys(folder: Path | None, terminal: Terminal) -> ExitCode:
    """Make all key rings in *folder*, by default where the settings say, and show their files."""
    made = generation.generate(folder or load(KeySettings).keys_dir)
    terminal.show({"files": [str(path) for path in made]}, *(Text(f"made {path}") for path in made))
    return ExitCode.DONE


def show_keys(service: str | None, terminal: Terminal, *, with_usage: bool = False) -> ExitCode:
    """Show the key rings that *service* needs, by default all; the exit code says whether something is wrong.

    With *with_usage* the number of stored keys and uploads that need each key is read from the database.
    """
    known = sorted({name for names in NEEDED_BY.values() for name in names})
    if service is not None and service not in known:
        text = f"{service!r} needs no key ring; those that do are {', '.join(known)}"
        raise CommandError(text, code="usage", exit_code=ExitCode.USAGE)
    found = [
        each for each in generation.status(load(KeyFiles)) if service is None or service in NEEDED_BY[each.file.field]
    ]
    usage, now = asyncio.run(_usage()) if with_usage else None, utc_now()
    folder = load(KeySettings).keys_dir
    terminal.show(
        {"rings": [_document(each, _counted(each, usage), now) for each in found]},
        Text(f"in {folder}", "dim"),
        table(
            "ring",
            "current key",
            "needed by",
            "",
            rows=(row for each in found for row in _rows(each, folder, _counted(each, usage), now)),
        ),
    )
    return ExitCode.FAILED if any(each.problem for each in found) else ExitCode.DONE


async def _usage() -> Usage:
    async with keeper_connection(load(KeeperSettings).database_url.get_secret_value()) as connection:
        return await count_uses(connection)


def _counted(status: RingStatus, usage: Usage | None) -> Usage | None:
    return None if status.file.field in _UNCOUNTED else usage


def _document(status: RingStatus, usage: Usage | None, now: datetime) -> dict[str, object]:
    keys = status.ring.keys if status.ring else ()
    return {
        "ring": status.file.ring,
        "half": status.file.half,
        "file": str(status.path),
        "needed_by": NEEDED_BY[status.file.field],
        "current": _current(status, now),
        "keys": [
            {
                "id": key.id,
                "state": _state(status, key, now),
                "created_at": key.created_at,
                "active_from": key.active_from,
                "retired_at": key.retired_at,
                "in_use": None if usage is None else usage.get(key.id, 0),
            }
            for key in keys
        ],
        "problem": status.problem,
    }


def _rows(status: RingStatus, folder: Path, usage: Usage | None, now: datetime) -> Iterator[tuple[Text, ...]]:
    shown = status.path.relative_to(folder) if status.path.is_relative_to(folder) else status.path
    problem = (status.problem or "").removeprefix(f"{status.path}: ")
    current = _current(status, now)
    yield (
        Text(str(shown), "bold"),
        Text(current or "-"),
        Text(", ".join(NEEDED_BY[status.file.field])),
        Text(problem, "red") if problem else Text("ok" + _used(current, usage), "green"),
    )
    for key in status.ring.keys if status.ring else ():
        if key.id != current:
            yield Text(), Text(key.id, "dim"), Text(), Text(_sentence(status, key, now) + _used(key.id, usage), "dim")


def _sentence(status: RingStatus, key: RingKey, now: datetime) -> str:
    match _state(status, key, now):
        case KeyState.NEXT:
            return f"next, from {key.begins_at:%Y-%m-%d %H:%M:%S} UTC"
        case KeyState.OLDER:
            return "older; a rotation is in progress, or was interrupted"
        case KeyState.RETIRED:
            return f"retired {key.retired_at:%Y-%m-%d %H:%M:%S} UTC"
        case state:
            return str(state or "")


def _used(key_id: str | None, usage: Usage | None) -> str:
    return "" if usage is None or key_id is None else f", in use {usage.get(key_id, 0):,} times"


def _state(status: RingStatus, key: RingKey, now: datetime) -> KeyState | None:
    try:
        return status.ring.state_of(key, now) if status.ring else None
    except SettingsError:
        return None


def _current(status: RingStatus, now: datetime) -> str | None:
    try:
        return status.ring.current_at(now).id if status.ring else None
    except SettingsError:
        return None
