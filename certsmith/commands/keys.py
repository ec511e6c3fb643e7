"""`certsmith keys`."""

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
    """Whose signing rings."""

    PROVISIONER = "provisioner"
    VALIDATOR = "validator"
    BOTH = "both"


def generate(
    *,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where. Without: CERTSMITH_KEYS_DIR, or ./keys.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> int:
    """Make all key rings, once; nothing that is there is ever replaced.

    The terminator alone needs vault.secret.json: whoever has that file and the database can open every private key.
    Keep a copy of the folder where the database's backups are not.

    Example:  certsmith keys generate --dir /etc/certsmith/keys
    """
    from certsmith.actions.keys import generate_keys
    from certsmith.terminal import Terminal

    return generate_keys(folder, Terminal(as_json=as_json))


def status(
    *,
    service: Annotated[
        str | None, typer.Option("--for", metavar="SERVICE", help="Only the rings that it needs.", show_default=False)
    ] = None,
    usage: Annotated[
        bool, typer.Option("--usage", help="Ask the database, as the keeper, how much needs each key.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show each key ring: its file, its keys, and what is wrong with it. Exit code 1 when something is.

    A machine needs only the rings of the services that run on it; the others had better be missing there.

    Example:  certsmith keys status --for terminator
    """
    from certsmith.actions.keys import show_keys
    from certsmith.terminal import Terminal

    return show_keys(service, Terminal(as_json=as_json), with_usage=usage)


def rotate(
    ring: Annotated[RotatingRing, typer.Argument(help="vault, intake, or signing.", show_default=False)],
    *,
    writer: Annotated[SigningWriter, typer.Option(help="Of signing: whose.")] = SigningWriter.BOTH,
    activate_after: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="When the new key is used: by then every process must have it."),
    ] = 60.0,
    finish: Annotated[
        bool, typer.Option("--finish", help="Go on with earlier rotations, and begin no new one.")
    ] = False,
    forget_now: Annotated[
        bool,
        typer.Option("--forget-now", help="Delete retired keys at once: waiting uploads, old backups open no more."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Give a ring a new key while everything runs, and retire the older one when nothing needs it.

    Services follow their files. Where they have copies, on other machines, copy the new files before --activate-after
    is over. Ctrl-C, a crash, or a database that goes away do no harm: run it again, and it goes on.

    vault: every stored key is re-wrapped. signing: every stored key is signed anew. intake: uploads that were sealed to
    the older key are accepted for seven days more; --finish deletes it then.

    Needs all files of the ring, writable, and the rights of the keeper (KEEPER_DATABASE_URL).

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
