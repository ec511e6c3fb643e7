"""What operators do with customers' own certificates, on the command line of a running platform."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dev.platform.customer_ca import Authority, Issued
from dev.platform.platform import Platform
from dev.platform.uploading import UPLOADED
from dev.waiting import until
from tests.rig.command_line import Answer, certsmith, environment_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS: Final = Authority()
Run = Callable[..., Awaitable[Answer]]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform) -> None:
    validators = (platform.validator(f"validator-{number}", VALIDATOR_EXPIRY_POLL_SECONDS="0.5") for number in range(2))
    await platform.run(platform.provisioner(), *validators, platform.terminator())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(platform: Platform) -> Run:
    environment = environment_of(platform)

    async def run(*words: str, **more: str) -> Answer:
        return await certsmith(*words, environment={**environment, **more})

    return run


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


async def registered(platform: Platform, **more: object) -> str:
    """Return a host that serves its automatic certificate."""
    host = a_host()
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host, **more))
    await platform.served(host)
    return host


async def uploaded(platform: Platform, issued: Issued, **more: Any) -> str:
    """Upload *issued*, and return the id under which it is stored."""
    data = platform.uploader.upload(issued, **more)
    await platform.publisher.bare(UPLOADED, data)
    verdict = await platform.ledger.verdict(data["certificate_id"])
    assert verdict.kind == "certificate.ready", verdict.data
    return str(data["certificate_id"])


async def serial_number_served(platform: Platform, host: str) -> int:
    visit = await platform.served(host, trusting=platform.roots + OURS.roots_pem)
    return visit.certificate.serial_number


async def shows(platform: Platform, host: str, serial_number: int) -> bool:
    """Wait until *host* is served with this certificate, and return True."""

    async def look() -> bool:
        return await serial_number_served(platform, host) == serial_number

    return await until(look, f"{host} to be served with another certificate")


async def keys_like(platform: Platform, issued: Issued) -> int:
    """Return how many keys are stored that are that of *issued*."""
    public_key = issued.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return int(await platform.ledger.value("SELECT count(*) FROM registry.keys WHERE public_key = $1", public_key))


async def test_attach_and_detach_say_what_is_served_now(platform: Platform, run: Run) -> None:
    host = await registered(platform)
    automatic = await serial_number_served(platform, host)
    issued = OURS.issue(host, "other.example.com", days=40)
    certificate_id = await uploaded(platform, issued)

    attached = await run("attach", host, certificate_id)
    assert await shows(platform, host, issued.leaf.serial_number)
    status = await run("status", host)
    detached = await run("detach", host, "--json")
    assert await shows(platform, host, automatic)

    until_text = f"{issued.leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    assert attached.code == 0
    assert f"{host} now serves {certificate_id}, the customer's own, until {until_text}" in attached.out
    assert "served with the customer's own certificate of Shop Intermediate" in status.out
    assert "then with its automatic one" in status.out
    assert "not served now" in status.out
    assert (detached.code, detached.document["outcome"]) == (0, "detached")
    assert detached.document["certificate"]["chosen_by"] == "automatic"


async def test_a_certificate_for_other_names_is_refused_with_both_lists(platform: Platform, run: Run) -> None:
    host = await registered(platform)
    certificate_id = await uploaded(platform, OURS.issue("one.example.com", "two.example.com"))

    refused = await run("attach", host, certificate_id)
    unknown = await run("attach", host, "cert_of_nobody", "--json")

    assert refused.code == unknown.code == 3
    assert f"is for one.example.com, two.example.com, not for {host}" in refused.out
    assert unknown.document["outcome"] == "refused"
    assert "there is no certificate 'cert_of_nobody' of this tenant" in unknown.document["message"]


async def test_a_certificate_that_comes_before_its_domain_waits_for_it(platform: Platform, run: Run) -> None:
    host = a_host()
    issued = OURS.issue(host)
    certificate_id = await uploaded(platform, issued, attach=[host], tenant="early")
    awaited = (await run("certificates", "show", certificate_id, "--json")).document["uses"]

    await platform.point_here(host)
    request = platform.domain(host, tenant="early", certificate_management_policy=None)
    await platform.publisher.bare("domain.created", request)

    assert awaited == [{"domain": host, "by": "awaited"}]
    assert await shows(platform, host, issued.leaf.serial_number)
    assert (await run("certificates", "show", certificate_id)).out.count(f"{host} (attached)") == 1


async def test_a_certificate_is_deleted_once_no_domain_uses_it(platform: Platform, run: Run) -> None:
    host = await registered(platform)
    automatic = await serial_number_served(platform, host)
    issued = OURS.issue(host)
    certificate_id = await uploaded(platform, issued, attach=[host])
    assert await shows(platform, host, issued.leaf.serial_number)
    assert await keys_like(platform, issued) == 1

    refused = await run("certificates", "delete", certificate_id, "--json")
    of_another = await run("certificates", "delete", certificate_id, "--tenant", "other")
    await run("detach", host)
    deleted = await run("certificates", "delete", certificate_id)
    again = await run("certificates", "delete", certificate_id)
    gone = await run("certificates", "show", certificate_id)
    upload = await run("uploads", "show", certificate_id)

    assert (refused.code, refused.document["outcome"], refused.document["domains"]) == (3, "refused", [host])
    assert f"used by {host}; detach it there" in refused.document["message"]
    assert of_another.code == again.code == 3
    assert "there is no certificate" in of_another.out
    assert deleted.code == 0
    assert "the certificate and its key are deleted" in deleted.out
    assert gone.code == 5
    assert "accepted, stored, and deleted since" in upload.out
    assert await shows(platform, host, automatic)
    assert await keys_like(platform, issued) == 0
    kinds = [
        fact.kind for fact in await platform.ledger.all_facts() if fact.data.get("certificate_id") == certificate_id
    ]
    assert kinds.count("certificate.deleted") == 1
    assert kinds.count("certificate.deletion_refused") == 3


async def test_certificates_and_uploads_are_listed(platform: Platform, run: Run) -> None:
    host = await registered(platform, tenant="lists")
    certificate_id = await uploaded(platform, OURS.issue(host), attach=[host], tenant="lists")
    rejected = platform.uploader.upload(OURS.issue(host, days=-1, issued_days_ago=5), tenant="lists")
    await platform.publisher.bare(UPLOADED, rejected)
    await platform.ledger.verdict(rejected["certificate_id"])

    stored = (await run("certificates", "list", "--tenant", "lists", "--json")).document["certificates"]
    uploads = (await run("uploads", "list", "--tenant", "lists", "--json")).document["uploads"]
    shown = await run("uploads", "show", rejected["certificate_id"])

    assert {each["source"]: each["uses"] for each in stored} == {
        "automatic": [{"domain": host, "by": "automatic"}],
        "uploaded": [{"domain": host, "by": "attached"}],
    }
    assert {each["certificate_id"]: each["state"] for each in uploads} == {
        certificate_id: "accepted",
        rejected["certificate_id"]: "rejected",
    }
    assert shown.code == 0
    assert "(leaf_expired)" in shown.out


async def test_uploads_of_a_forbidden_tenant_are_rejected(platform: Platform, run: Run) -> None:
    issued = OURS.issue(a_host())
    await run("uploads", "forbid", "banned")
    forbidden = platform.uploader.upload(issued, tenant="banned")
    await platform.publisher.bare(UPLOADED, forbidden)
    verdict = await platform.ledger.verdict(forbidden["certificate_id"])
    rules = (await run("uploads", "tenants", "--json")).document["tenants"]
    await run("uploads", "reset", "banned")

    assert verdict.kind == "certificate.rejected"
    assert [reason["code"] for reason in verdict.data["reasons"]] == ["uploads_off"]
    assert [(rule["tenant"], rule["uploads_allowed"]) for rule in rules] == [("banned", False)]
    assert await uploaded(platform, issued, tenant="banned")


async def expiry_facts(platform: Platform, certificate_id: str) -> list[dict[str, Any]]:
    facts = [fact.data for fact in await platform.ledger.all_facts() if fact.kind == "certificate.expiring"]
    return [data for data in facts if data["certificate_id"] == certificate_id]


async def test_the_coming_end_of_a_certificate_is_published_once(platform: Platform) -> None:
    host, next_host = await registered(platform), await registered(platform)
    certificate_id = await uploaded(platform, OURS.issue(host, days=5), attach=[host])
    (fact,) = await until(lambda: expiry_facts(platform, certificate_id), "certificate.expiring to be published")

    next_id = await uploaded(platform, OURS.issue(next_host, days=2), attach=[next_host])
    await until(lambda: expiry_facts(platform, next_id), "certificate.expiring to be published for the next one")

    assert fact["domain"] == host
    assert "within 7 days; after that the domain's automatic certificate is served instead" in fact["message"]
    assert await expiry_facts(platform, certificate_id) == [fact]
