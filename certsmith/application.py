"""All commands in one tree, and the text of `certsmith --help`."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from certsmith.commands import (
    certificates,
    dead_letters,
    domains,
    keys,
    migrate,
    publish,
    queues,
    up,
    uploads,
    validate,
)

HELP: Final = """Obtain a TLS certificate for every domain that a platform hosts, and serve it.

First time:  certsmith keys generate && certsmith migrate && certsmith up

Then:        certsmith publish domain-created shop.example.com --upstream tcp://10.0.0.7:8080 --wait

Own files:   certsmith validate --bundle chain.pem --key key.pem --domain shop.example.com

Inspect:     certsmith domains, certsmith status shop.example.com, certsmith queues --watch
"""
ORDER: Final = (
    *("keys", "migrate", "up"),
    *("publish", "validate", "attach", "detach"),
    *("domains", "status", "certificates", "uploads", "queues", "dead-letters"),
)
SET_UP, ASK, LOOK = "Set up and run", "Make requests", "Inspect and repair"
EPILOG: Final = (
    "Settings: AMQP_URL, DATABASE_URL, CERTSMITH_KEYS_DIR, AUTOCERT_CA and others, from the environment or "
    "certsmith.yaml. Exit codes: 0 done, 1 failed, 2 usage, 3 refused or stuck, 4 not yet, 5 not found, "
    "69 broker or database unavailable, 78 settings."
)


def application() -> typer.Typer:
    """Return the whole command line."""
    root = _group("certsmith", HELP, epilog=EPILOG, cls=_InOrder)
    root.callback(help=HELP)(_before)
    root.add_typer(_keys(), rich_help_panel=SET_UP)
    _add(root, migrate.migrate, panel=SET_UP)
    _add(root, up.up, panel=SET_UP)
    root.add_typer(_publish(), rich_help_panel=ASK)
    _add(root, validate.validate, panel=ASK)
    _add(root, certificates.attach, panel=ASK)
    _add(root, certificates.detach, panel=ASK)
    _add(root, domains.domains, panel=LOOK)
    _add(root, domains.status, panel=LOOK)
    root.add_typer(_certificates(), rich_help_panel=LOOK)
    root.add_typer(_uploads(), rich_help_panel=LOOK)
    _add(root, queues.queues, panel=LOOK)
    root.add_typer(_dead_letters(), rich_help_panel=LOOK)
    return root


class _InOrder(TyperGroup):
    """Lists commands and groups in the order in which people need them, not by name."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names of all commands and groups."""
        return list(ORDER)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer's signature
    if value:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - keeps `--help` quick

        try:
            typer.echo(f"certsmith {version('certsmith')}")
        except PackageNotFoundError:
            typer.echo("certsmith, run from its source folder")
        raise typer.Exit


def _before(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Prepare this process for any command."""
    del version  # its callback has already handled it
    from certsmith.silence import silence_logs  # noqa: PLC0415 - keeps `--help` quick

    silence_logs()


def _keys() -> typer.Typer:
    group = _group("keys", "Make, inspect and rotate the key rings.")
    _add(group, keys.generate)
    _add(group, keys.status)
    _add(group, keys.rotate)
    return group


def _publish() -> typer.Typer:
    group = _group("publish", "Publish a request, as a platform does: each is one event.")
    _add(group, publish.domain_created)
    _add(group, publish.domain_updated)
    _add(group, publish.domain_deleted)
    _add(group, publish.renewal_requested)
    _add(group, publish.certificate_uploaded)
    return group


def _certificates() -> typer.Typer:
    group = _group("certificates", "Show stored certificates and the domains that use them; delete uploads.")
    _add(group, certificates.list_certificates, name="list")
    _add(group, certificates.show)
    _add(group, certificates.delete)
    return group


def _uploads() -> typer.Typer:
    group = _group("uploads", "Show uploads and their verdicts; allow or forbid a tenant to upload.")
    _add(group, uploads.list_uploads, name="list")
    _add(group, uploads.show)
    _add(group, uploads.tenants)
    _add(group, uploads.allow)
    _add(group, uploads.forbid)
    _add(group, uploads.reset)
    return group


def _dead_letters() -> typer.Typer:
    group = _group("dead-letters", "Show messages that were refused, publish them again, or delete them.")
    _add(group, dead_letters.list_letters, name="list")
    _add(group, dead_letters.show)
    _add(group, dead_letters.replay)
    _add(group, dead_letters.drop)
    return group


def _add(group: typer.Typer, command: Callable[..., int], *, name: str | None = None, panel: str | None = None) -> None:
    """Add *command*; its docstring becomes its help text, with the line breaks inside paragraphs removed."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    flowing = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    group.command(name, help=flowing, rich_help_panel=panel)(command)


def _group(name: str, help_text: str, **more: Any) -> typer.Typer:  # noqa: ANN401 - typer's own options
    return typer.Typer(
        name=name,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        **more,
    )
