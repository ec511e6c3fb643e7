"""`certsmith validate`: judges files without a server."""

from typing import Annotated

import typer

from certsmith.commands.options import Json

Bundle = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="The certificates, PEM, the leaf first. `-`: standard input.", show_default=False
    ),
]
Key = Annotated[
    str | None, typer.Option(metavar="FILE", help="The leaf's private key, PEM, not encrypted.", show_default=False)
]
Domain = Annotated[
    str | None,
    typer.Option(metavar="HOST", help="Require that the certificate covers this name.", show_default=False),
]
Trust = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Require that the chain leads to one of these roots, PEM.", show_default=False),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Judge for this time: 2026-11-20, 2026-11-20T12:00:00Z. Default: now.",
        show_default=False,
    ),
]
Batch = Annotated[
    bool, typer.Option("--batch", help="Read requests from standard input, and answer each with a line of JSON.")
]


def validate(
    *,
    bundle: Bundle = None,
    key: Key = None,
    domain: Domain = None,
    trust: Trust = None,
    at: At = None,
    batch: Batch = False,
    as_json: Json = False,
) -> int:
    """Judge a certificate and its key like an upload, on this machine; nothing is sent anywhere.

    Shows the chain from the root down, what is wrong with each certificate, and the verdict. Exit code 0: accepted,
    3: refused.

    A batch has one request a line, as {"id": 1, "bundle_pem": "…", "key_pem": "…"}, optionally with "domain",
    "trust_pem" and "at"; each line is answered before the next is read. Its exit code does not depend on the verdicts.

    Example:  certsmith validate --bundle chain.pem --key key.pem --domain shop.example.com
    """
    if batch:
        return _batch(given=(bundle, key, domain, trust, at))
    if bundle is None or key is None:
        raise typer.BadParameter("give --bundle and --key, or --batch")
    from certsmith.terminal import Terminal
    from certsmith.validating.files import FileOptions, validate_files

    options = FileOptions(bundle=bundle, key=key, domain=domain, trust=trust, at=at)
    return validate_files(options, Terminal(as_json=as_json))


def _batch(*, given: tuple[str | None, ...]) -> int:
    if any(option is not None for option in given):
        raise typer.BadParameter(
            "--batch reads everything from its lines; of the other options, only --json can be given with it"
        )
    import sys

    from certsmith.exits import ExitCode
    from certsmith.validating.batch import answer_all

    answer_all(sys.stdin.buffer, sys.stdout)
    return ExitCode.DONE
