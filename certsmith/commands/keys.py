"""`certsmith keys`: the key rings."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from certsmith.commands.options import Json


class RotatingRing(StrEnum):
    """The rings that can be rotated."""

    VAULT = "vault"
    INTAKE = "intake"
    SIGNING = "signing"


class SigningWriter(StrEnum):
    """The services that have a signing ring."""

    PROVISIONER = "provisioner"
    VALIDATOR = "validator"
    BOTH = "both"


def generate(
    *,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="The folder. Default: CERTSMITH_KEYS_DIR, or ./keys.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> int:
    """Make all key rings, once; an existing file is never replaced.

    Only the terminator needs vault.secret.json: that file and the database together open every private key.
    Keep a copy of the folder, but not where the database's backups are.

    Example:  certsmith keys generate --dir /etc/certsmith/keys
    """
    from certsmith.actions.keys import generate_keys
    from certsmith.terminal import Terminal

    return generate_keys(folder, Terminal(as_json=as_json))


def status(
    *,
    service: Annotated[
        str | None,
        typer.Option("--for", metavar="SERVICE", help="Only the rings that this service needs.", show_default=False),
    ] = None,
    usage: Annotated[
        bool, typer.Option("--usage", help="Count in the database how much needs each key (as the keeper).")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show each key ring: its file, its keys, and what is wrong with it. Exit code 1: something is wrong.

    A machine needs only the rings of the services that run on it; keep the others away from it.

    Example:  certsmith keys status --for terminator
    """
    from certsmith.actions.keys import show_keys
    from certsmith.terminal import Terminal

    return show_keys(service, Terminal(as_json=as_json), with_usage=usage)


def rotate(
    ring: Annotated[RotatingRing, typer.Argument(help="vault, intake, or signing.", show_default=False)],
    *,
    writer: Annotated[SigningWriter, typer.Option(help="For signing: whose ring.")] = SigningWriter.BOTH,
    activate_after: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="When the new key comes into use: every process must have it by then."
        ),
    ] = 60.0,
    finish: Annotated[bool, typer.Option("--finish", help="Continue earlier rotations, and begin no new one.")] = False,
    forget_now: Annotated[
        bool,
        typer.Option(
            "--forget-now",
            help="Delete retired keys now: pending uploads and old backups that need them become unreadable.",
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Give a ring a new key while the services run, and retire the older key when nothing needs it.

    Services reload their key files by themselves. On machines that have copies of these files, replace the copies
    before --activate-after is over. After Ctrl-C, a crash or a lost database run the command again: it continues.

    vault: every stored key is wrapped again. signing: every stored key is signed again. intake: uploads that were
    sealed to the older key are accepted for seven more days; then --finish deletes it.

    Needs all files of the ring, writable, and the keeper's database login (KEEPER_DATABASE_URL).

    Example:  certsmith keys rotate vault
    """
    from certsmith.actions.rotate import rotate_ring
    from certsmith.terminal import Terminal

    return rotate_ring(
        ring.value,
        writer=writer.value,
        activate_seconds=activate_after,
        begins=not finish,
        forgets_now=forget_now,
        terminal=Terminal(as_json=as_json),
    )
