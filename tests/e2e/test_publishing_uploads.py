"""Uploads as people and programs publish them: with the command line, and with the programs of docs/events.md."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from dev.platform.customer_ca import Authority, Issued
from dev.platform.platform import Platform
from dev.platform.service import Service
from dev.waiting import finished, until
from shared.vault import key_files
from tests.rig.command_line import Answer, certsmith, environment_of
from tests.rig.events_page import block

pytestmark = pytest.mark.asyncio(loop_scope="module")

Upload = Callable[..., Awaitable[Answer]]

OWN_CA = Authority("Shop")


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


def written(issued: Issued, folder: Path) -> tuple[str, ...]:
    """Write what a customer holds into *folder* and return the options that name it."""
    (folder / "shop.pem").write_text(issued.bundle_pem)
    (folder / "shop.key").write_text(issued.key_pem)
    return ("--bundle", str(folder / "shop.pem"), "--key", str(folder / "shop.key"))


def shows_key(answer: Answer, issued: Issued) -> bool:
    """Return whether any line of the key is in the output of a command."""
    lines = issued.key_pem.splitlines()[1:-1]
    return any(line in answer.out + answer.err for line in lines)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def validator(platform: Platform) -> Service:
    return platform.validator()


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform, validator: Service) -> None:
    await platform.run(platform.provisioner(), validator, platform.terminator())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upload(platform: Platform) -> Upload:
    """Return what runs `certsmith publish certificate-uploaded` where only the intake's public half is."""
    ring = platform.folder / "keys" / "publisher" / key_files.INTAKE_PUBLIC.name
    environment = {**environment_of(platform), "INTAKE_PUBLIC_FILE": str(ring)}

    async def run(*words: str) -> Answer:
        return await certsmith("publish", "certificate-uploaded", *words, environment=environment)

    return run


async def test_an_uploaded_certificate_takes_over_from_the_automatic_one(
    platform: Platform, upload: Upload, tmp_path: Path
) -> None:
    host = a_host()
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host))
    await platform.served(host)
    issued = OWN_CA.issue(host)

    answer = await upload(*written(issued, tmp_path), "--attach", host, "--wait", "--json")

    assert answer.code == 0, answer.err
    document = answer.document
    assert {name: document[name] for name in ("type", "outcome", "domains", "reasons")} == {
        "type": "certificate.uploaded",
        "outcome": "accepted",
        "domains": [host],
        "reasons": [],
    }
    assert (document["certificate"]["id"], document["certificate"]["names"]) == (document["certificate_id"], [host])
    assert document["certificate"]["publicly_trusted"] is False
    assert (await platform.served(host, trusting=OWN_CA.roots_pem)).names == [host]
    assert not shows_key(answer, issued)


async def test_the_answer_names_what_was_stored_and_which_domains_are_not_registered_yet(
    upload: Upload, tmp_path: Path
) -> None:
    host = a_host()

    answer = await upload(*written(OWN_CA.issue(host), tmp_path), "--attach", host, "--wait")

    assert answer.code == 0, answer.err
    assert "accepted after" in answer.out
    assert "certificate  cert_" in answer.out
    assert f"attached to  {host}, as soon as its tenant registers it" in answer.out


async def test_an_upload_that_would_be_rejected_is_not_sent(platform: Platform, upload: Upload, tmp_path: Path) -> None:
    issued, other = OWN_CA.issue(a_host()), OWN_CA.issue(a_host())
    words = written(issued, tmp_path)
    (tmp_path / "shop.key").write_text(other.key_pem)

    answer = await upload(*words, "--id", "cert_unsent", "--wait")

    assert answer.code == 3
    assert answer.err.startswith("error: this would be rejected, so nothing was sent\n")
    assert not shows_key(answer, other)
    assert await platform.ledger.rows("SELECT FROM validator.uploads WHERE certificate_id = 'cert_unsent'") == []


async def test_the_reasons_of_the_validator_are_shown(upload: Upload, tmp_path: Path) -> None:
    other = OWN_CA.issue(a_host())
    words = written(OWN_CA.issue(a_host()), tmp_path)
    (tmp_path / "shop.key").write_text(other.key_pem)

    result = await upload(*words, "--no-check", "--wait")
    document = (await upload(*words, "--no-check", "--wait", "--json")).document

    assert result.code == 3
    (reason,) = document["reasons"]
    assert document["outcome"] == "rejected"
    assert f"reason  {reason['message']} ({reason['code']})" in result.out
    assert not shows_key(result, other)


async def test_an_upload_that_is_published_again_has_the_same_verdict(upload: Upload, tmp_path: Path) -> None:
    words = (*written(OWN_CA.issue(a_host()), tmp_path), "--id", f"cert_{secrets.token_hex(6)}", "--wait", "--json")
    event_id = ("--event-id", secrets.token_hex(6))

    first, again = await upload(*words, *event_id), await upload(*words, *event_id)
    another = await upload(*words)

    assert (first.code, again.code) == (0, 0)
    assert first.document["certificate"] == again.document["certificate"]
    assert (another.code, [each["code"] for each in another.document["reasons"]]) == (3, ["certificate_id_taken"])


async def test_a_certificate_that_is_there_already_is_named_by_its_id(upload: Upload, tmp_path: Path) -> None:
    words = (*written(OWN_CA.issue(a_host()), tmp_path), "--wait", "--json")

    first, second = await upload(*words), await upload(*words)

    assert second.code == 0
    assert second.document["certificate"]["id"] == first.document["certificate_id"] != second.document["certificate_id"]


async def test_an_upload_of_a_tenant_that_may_not_upload_is_rejected(
    platform: Platform, upload: Upload, tmp_path: Path
) -> None:
    await platform.ledger.rows("INSERT INTO registry.tenants (tenant, uploads_allowed) VALUES ('barred', false)")

    answer = await upload(*written(OWN_CA.issue(a_host()), tmp_path), "--tenant", "barred", "--wait", "--json")

    assert (answer.code, answer.document["outcome"]) == (3, "rejected")
    assert [reason["code"] for reason in answer.document["reasons"]] == ["uploads_off"]


async def test_without_a_validator_an_upload_waits_for_it(
    platform: Platform, validator: Service, upload: Upload, tmp_path: Path
) -> None:
    assert await validator.stop() == 0
    words = (*written(OWN_CA.issue(a_host()), tmp_path), "--wait", "--json")

    waited = await upload(*words, "--timeout", "0.2")
    await platform.run(validator)
    verdict = await platform.ledger.verdict(waited.document["certificate_id"])

    assert (waited.code, waited.document["outcome"], waited.document["state"]) == (4, "timeout", "published")
    assert verdict.kind == "certificate.ready"


@pytest.mark.parametrize("program", ["SealedBox(", "crypto_box_seal("])
async def test_the_programs_of_the_page_upload_what_is_served(platform: Platform, tmp_path: Path, program: str) -> None:
    host = "shop.example.com"
    issued = OWN_CA.issue(host)
    written(issued, tmp_path)
    ring = platform.folder / "keys" / "publisher" / key_files.INTAKE_PUBLIC.name
    (tmp_path / ring.name).write_bytes(ring.read_bytes())
    await platform.publisher.bare(
        "domain.created", platform.domain(host, tenant="acme", certificate_management_policy=None)
    )

    process = await asyncio.create_subprocess_exec(
        *block(program, folder=tmp_path),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "AMQP_URL": platform.logins.amqp_url("publisher")},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await finished(process.communicate(), "the program to end")

    assert process.returncode == 0
    verdict = await platform.ledger.verdict(printed.decode().strip())
    assert verdict.kind == "certificate.ready", verdict

    async def shows_it() -> bool:
        return (await platform.served(host, trusting=OWN_CA.roots_pem)).certificate == issued.leaf

    assert await until(shows_it, f"{host} to show what was uploaded")
