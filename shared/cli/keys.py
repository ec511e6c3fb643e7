"""`certsmith keys`: making the key rings, and looking at them; nothing of a key is shown but its id."""

from pathlib import Path
from typing import Final

from rich.text import Text

from shared.cli.exits import ExitCode
from shared.cli.failures import CommandError
from shared.cli.terminal import Terminal, table
from shared.errors import SettingsError
from shared.settings import KeySettings, load
from shared.vault import KeyFiles, generating
from shared.vault.generating import RingStatus
from shared.vault.rings import utc_now

# Who cannot work without which ring.
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


def generate_keys(folder: Path | None, terminal: Terminal) -> ExitCode:
    """Make all key rings in *folder*, by default where the settings say, and show their files."""
    made = generating.generate(folder or load(KeySettings).keys_dir)
    terminal.show({"files": [str(path) for path in made]}, *(Text(f"made {path}") for path in made))
    return ExitCode.DONE


def show_keys(service: str | None, terminal: Terminal) -> ExitCode:
    """Show the key rings that *service* needs, by default all; the exit code says whether something is wrong."""
    known = sorted({who for needing in NEEDED_BY.values() for who in needing})
    if service is not None and service not in known:
        text = f"{service!r} needs no key ring; {', '.join(known)} do"
        raise CommandError(text, code="usage", exit_code=ExitCode.USAGE)
    found = [
        each for each in generating.status(load(KeyFiles)) if service is None or service in NEEDED_BY[each.file.field]
    ]
    folder = load(KeySettings).keys_dir
    terminal.show(
        {"rings": [_document(each) for each in found]},
        Text(f"in {folder}", "dim"),
        table("ring", "current key", "needed by", "", rows=(_row(each, folder) for each in found)),
    )
    return ExitCode.FAILED if any(each.problem for each in found) else ExitCode.DONE


def _document(status: RingStatus) -> dict[str, object]:
    keys = status.ring.keys if status.ring else ()
    return {
        "ring": status.file.ring,
        "half": status.file.half,
        "file": str(status.path),
        "needed_by": NEEDED_BY[status.file.field],
        "current": _current(status),
        "keys": [{"id": key.id, "created_at": key.created_at, "retired_at": key.retired_at} for key in keys],
        "problem": status.problem,
    }


def _row(status: RingStatus, folder: Path) -> tuple[Text, ...]:
    shown = status.path.relative_to(folder) if status.path.is_relative_to(folder) else status.path
    problem = (status.problem or "").removeprefix(f"{status.path}: ")
    return (
        Text(str(shown), "bold"),
        Text(_current(status) or "-"),
        Text(", ".join(NEEDED_BY[status.file.field])),
        Text(problem, "red") if problem else Text("good", "green"),
    )


def _current(status: RingStatus) -> str | None:
    try:
        return status.ring.current_at(utc_now()).id if status.ring else None
    except SettingsError:
        return None
