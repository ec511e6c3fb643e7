"""`certsmith keys`."""

from pathlib import Path
from typing import Annotated

import typer

from shared.cli.options import Json


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
    from shared.cli.keys import generate_keys
    from shared.cli.terminal import Terminal

    return generate_keys(folder, Terminal(as_json=as_json))


def status(
    *,
    service: Annotated[
        str | None, typer.Option("--for", metavar="SERVICE", help="Only the rings that it needs.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> int:
    """Show each key ring: its file, its current key, and what is wrong with it. Exit code 1 when something is.

    A machine needs only the rings of the services that run on it; the others had better be missing there.

    Example:  certsmith keys status --for terminator
    """
    from shared.cli.keys import show_keys
    from shared.cli.terminal import Terminal

    return show_keys(service, Terminal(as_json=as_json))
