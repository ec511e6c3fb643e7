"""`certsmith uploads`: uploads and their verdicts, and the tenants that may upload."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from certsmith.database import operator_connection
from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.publishing.upload_progress import of_remark
from certsmith.settings import OperatorSettings
from certsmith.terminal import Terminal, facts, printable, table
from shared.registry import tenants
from shared.registry.tenants import TenantRule
from shared.registry.views import uploads
from shared.registry.views.model import UploadView
from shared.settings import load
from shared.store import Connection

_STYLES: Final = {"accepted": "green", "rejected": "red", "received": "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFilter:
    """The options of `uploads list`."""

    tenant: str | None
    state: str | None
    limit: int
    after: str | None


def list_uploads(wanted: UploadFilter, terminal: Terminal) -> ExitCode:
    """Show the *wanted* uploads."""
    found, has_more = asyncio.run(_found(wanted))
    terminal.show(
        {"uploads": [asdict(each) for each in found], "has_more": has_more},
        table("upload", "tenant", "received", "is", "", rows=map(_row, found)) if found else "no upload matches",
    )
    if has_more:
        terminal.say(Text(f"there are more: use --after {found[-1].certificate_id} or a larger --limit", "dim"))
    return ExitCode.DONE


def show_upload(certificate_id: str, terminal: Terminal) -> ExitCode:
    """Show one upload: its verdict with all reasons and warnings."""
    found = asyncio.run(_named(certificate_id))
    if found is None:
        text = (
            f"there is no record of an upload {printable(certificate_id)}; records of rejected uploads are deleted "
            "after some time; see `certsmith uploads list`"
        )
        raise CommandError(text, code="not_found", exit_code=ExitCode.NOT_FOUND)
    terminal.show(asdict(found), facts(_facts(found)))
    return ExitCode.DONE


def list_tenants(terminal: Terminal) -> ExitCode:
    """Show the tenants for which uploads were allowed or forbidden."""
    found = asyncio.run(_rules())
    terminal.show(
        {"tenants": [asdict(rule) for rule in found]},
        table("tenant", "uploads", "since", rows=map(_of_rule, found))
        if found
        else "uploads were neither allowed nor forbidden for any tenant; VALIDATOR_UPLOADS decides for all",
    )
    return ExitCode.DONE


def decide(tenant: str, *, allowed: bool | None, terminal: Terminal) -> ExitCode:
    """Allow or forbid *tenant* to upload from now on; None means that the settings decide."""
    asyncio.run(_decide(tenant, allowed=allowed))
    does = {
        True: "may upload certificates from now on",
        False: "may not upload certificates from now on; its stored ones are still served",
        None: "may upload certificates from now on if VALIDATOR_UPLOADS says so",
    }
    whose = f"tenant {tenant!r}" if tenant else "the unnamed tenant"
    terminal.show({"tenant": tenant, "uploads_allowed": allowed}, Text(f"{whose} {does[allowed]}"))
    return ExitCode.DONE


async def _found(wanted: UploadFilter) -> tuple[tuple[UploadView, ...], bool]:
    """Return the *wanted* uploads, and whether there are more."""
    async with operator_connection(_url()) as connection:
        found = await uploads.page(
            connection, tenant=wanted.tenant, state=wanted.state, after=wanted.after, limit=wanted.limit + 1
        )
    return found[: wanted.limit], len(found) > wanted.limit


async def _named(certificate_id: str) -> UploadView | None:
    async with operator_connection(_url()) as connection:
        return await uploads.named(connection, certificate_id)


async def _rules() -> tuple[TenantRule, ...]:
    async with operator_connection(_url()) as connection:
        return await tenants.rules(connection)


async def _decide(tenant: str, *, allowed: bool | None) -> None:
    async with operator_connection(_url()) as connection:
        await _write(connection, tenant, allowed=allowed)


async def _write(connection: Connection, tenant: str, *, allowed: bool | None) -> None:
    if allowed is None:
        await tenants.forget(connection, tenant)
    else:
        await tenants.set_uploads_allowed(connection, tenant, allowed=allowed)


def _url() -> str:
    return load(OperatorSettings).database_url.get_secret_value()


def _row(upload: UploadView) -> tuple[Text, ...]:
    return (
        Text(upload.certificate_id, "bold"),
        Text(printable(upload.tenant) or "-", "dim"),
        Text(f"{upload.received_at:%Y-%m-%d %H:%M:%S}", "dim"),
        Text(upload.state, _STYLES.get(upload.state, "")),
        Text(_summary(upload)),
    )


def _summary(upload: UploadView) -> str:
    if upload.state == "received":
        return "it is being judged" if upload.is_in_hand else "it waits to be judged"
    if upload.state == "rejected":
        return ", ".join(reason.code for reason in upload.reasons)
    if upload.certificate is None:
        return "deleted since then"
    stored = "" if upload.certificate.id == upload.certificate_id else f"stored as {upload.certificate.id}, "
    return printable(f"{stored}for {', '.join(upload.certificate.names)} until {upload.certificate.not_after:%Y-%m-%d}")


def _facts(upload: UploadView) -> Iterator[tuple[str, RenderableType]]:
    yield "upload", Text(upload.certificate_id, "bold")
    if upload.tenant:
        yield "tenant", printable(upload.tenant)
    is_gone = upload.state == "accepted" and upload.certificate is None
    yield "is", Text(upload.state + ", stored, and deleted since then" * is_gone, _STYLES.get(upload.state, ""))
    yield "received", f"{upload.received_at:%Y-%m-%d %H:%M:%S} UTC"
    if upload.judged_at is not None:
        yield "judged", f"{upload.judged_at:%Y-%m-%d %H:%M:%S} UTC"
    if upload.attach:
        yield "attach to", ", ".join(upload.attach)
    for reason in upload.reasons:
        yield "reason", of_remark(reason)
    for warning in upload.warnings:
        yield "warning", of_remark(warning)
    if upload.certificate is not None:
        yield "stored as", f"{upload.certificate.id}: `certsmith certificates show {upload.certificate.id}`"


def _of_rule(rule: TenantRule) -> tuple[Text, ...]:
    name = Text(printable(rule.tenant), "bold") if rule.tenant else Text("(unnamed)", "dim")
    allowed = Text("allowed", "green") if rule.uploads_allowed else Text("forbidden", "red")
    return name, allowed, Text(f"{rule.updated_at:%Y-%m-%d %H:%M:%S}", "dim")
