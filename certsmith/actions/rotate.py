"""`certsmith keys rotate`: gives a ring a new key while the services run."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from rich.text import Text

from certsmith.database import keeper_connection
from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.rotation import RotationOptions, RotationReport, ring_files, rotate
from certsmith.rotation.intake import IntakeRotation
from certsmith.rotation.signing import SigningRotation
from certsmith.rotation.vault import VaultRotation
from certsmith.settings import KeeperSettings
from certsmith.terminal import Terminal
from shared.settings import load
from shared.vault import KeyFiles
from shared.vault.key_files import WRITERS, Writer

if TYPE_CHECKING:
    from certsmith.rotation.steps import RingRotation

_LEFT_SHOWN: Final = 20
_PAIRS: Final = {"vault": ring_files.VAULT, "intake": ring_files.INTAKE}


def rotate_ring(
    ring: str,
    *,
    writer: str,
    activate_seconds: float,
    begins: bool,
    forgets_now: bool,
    terminal: Terminal,
) -> ExitCode:
    """Rotate *ring* and show what was done; the exit code says whether any stored key could not be renewed."""
    if ring != "signing" and writer != "both":
        text = f"--writer is only for `certsmith keys rotate signing`; the ring {ring} belongs to no single writer"
        raise CommandError(text, code="usage", exit_code=ExitCode.USAGE)
    url = load(KeeperSettings).database_url.get_secret_value()
    options = RotationOptions(
        connect=lambda: keeper_connection(url),
        notify=lambda sentence: terminal.say(Text(sentence, "dim")),
        activate_seconds=activate_seconds,
        begins=begins,
        forgets_now=forgets_now,
    )
    reports = _rotated(load(KeyFiles), ring, _writers(writer), options)
    document = {"rings": [asdict(report) for report in reports]}
    terminal.show(document, *(line for report in reports for line in _lines(report)))
    return ExitCode.FAILED if any(report.left for report in reports) else ExitCode.DONE


def _rotated(
    key_files: KeyFiles, ring: str, writers: Sequence[Writer], options: RotationOptions
) -> list[RotationReport]:
    with ring_files.exclusively(key_files, ring_files.SIGNING[writers[0]] if ring == "signing" else _PAIRS[ring]):
        return asyncio.run(rotate(_rotations(key_files, ring, writers), options))


def _rotations(key_files: KeyFiles, ring: str, writers: Sequence[Writer]) -> "list[RingRotation]":
    match ring:
        case "vault":
            return [VaultRotation(key_files)]
        case "intake":
            return [IntakeRotation(key_files)]
        case _:
            return [SigningRotation(key_files, writer) for writer in writers]


def _writers(writer: str) -> Sequence[Writer]:
    return [each for each in WRITERS if writer in (each, "both")]


def _lines(report: RotationReport) -> Iterator[Text]:
    yield Text.assemble((report.ring, "bold"), ": ", report.current, (" is current", "green"))
    if report.renewed:
        yield Text(f"  {report.renewed:,} stored keys renewed")
    for key_id in report.deleted:
        yield Text(f"  {key_id} is deleted")
    for each in report.waiting:
        needing = f", needed by {each.needed_by:,}" if each.needed_by else ""
        yield Text(
            f"  {each.id} is retired, and kept until {each.until:%Y-%m-%d %H:%M} UTC{needing}; then --finish deletes it"
        )
    if report.left:
        yield Text(f"  {len(report.left):,} stored keys could not be renewed and were left unchanged:", "red")
    for left in report.left[:_LEFT_SHOWN]:
        yield Text(f"    {left.key_id}: {left.reason}")
    if len(report.left) > _LEFT_SHOWN:
        yield Text(f"    and {len(report.left) - _LEFT_SHOWN:,} more; --json lists all")
