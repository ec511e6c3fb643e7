"""A customer's own certificate: from the upload to the handshake, or to a refusal that says why."""

import base64
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from dev.platform.customer_ca import Authority, KeyKind
from dev.platform.ledger import Fact
from dev.platform.platform import Platform
from dev.platform.publishing import cloud_event
from dev.platform.uploading import UPLOADED

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS: Final = Authority()
Data = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform) -> None:
    await platform.run(
        platform.provisioner(), platform.validator("first"), platform.validator("second"), platform.terminator()
    )


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


def an_id() -> str:
    return f"cert_{secrets.token_hex(8)}"


async def registered(platform: Platform, *, tenant: str = "") -> str:
    """Return a host that serves its automatic certificate."""
    host = a_host()
    await platform.point_here(host)
    await platform.publisher.bare("domain.created", platform.domain(host, **({"tenant": tenant} if tenant else {})))
    await platform.served(host)
    return host


async def verdict_on(platform: Platform, data: Data) -> Fact:
    await platform.publisher.bare(UPLOADED, data)
    return await platform.ledger.verdict(data["certificate_id"])


def codes_of(verdict: Fact) -> set[str]:
    return {reason["code"] for reason in verdict.data.get("reasons", [])}


@pytest.mark.parametrize("kind", KeyKind)
async def test_an_uploaded_certificate_is_served_where_it_is_attached(platform: Platform, kind: KeyKind) -> None:
    host = await registered(platform)
    issued = OURS.issue(host, kind=kind)

    verdict = await verdict_on(platform, platform.uploader.upload(issued, attach=[host]))
    visit = await platform.served(host, trusting=OURS.roots_pem)

    assert verdict.kind == "certificate.ready"
    assert [each["domain"] for each in verdict.data["domains"]] == [host]
    assert (verdict.data["source"], verdict.data["publicly_trusted"]) == ("uploaded", False)
    assert visit.certificate == issued.leaf
    assert visit.answer == b"platform: is anybody there\n"


async def test_a_certificate_that_is_detached_gives_way_to_the_automatic_one(platform: Platform) -> None:
    host = await registered(platform)
    automatic = (await platform.served(host)).certificate
    await verdict_on(platform, platform.uploader.upload(OURS.issue(host), attach=[host]))
    await platform.served(host, trusting=OURS.roots_pem)

    await platform.publisher.bare("domain.updated", {"domain": host, "attached_certificate_id": None})
    visit = await platform.served(host)

    assert visit.certificate == automatic


async def test_one_certificate_serves_many_domains_of_its_tenant(platform: Platform) -> None:
    hosts = [await registered(platform, tenant="many") for _ in range(3)]
    issued = OURS.issue(*hosts)

    verdict = await verdict_on(platform, platform.uploader.upload(issued, tenant="many", attach=hosts))
    visits = [await platform.served(host, trusting=OURS.roots_pem) for host in hosts]

    assert sorted(each["domain"] for each in verdict.data["domains"]) == sorted(hosts)
    assert [visit.certificate for visit in visits] == [issued.leaf] * 3


async def test_an_upload_that_is_not_attached_is_stored_and_served_nowhere(platform: Platform) -> None:
    host = await registered(platform)
    automatic = (await platform.served(host)).certificate

    verdict = await verdict_on(platform, platform.uploader.upload(OURS.issue(host)))
    visit = await platform.served(host)

    assert verdict.kind == "certificate.ready"
    assert verdict.data["domains"] == []
    assert visit.certificate == automatic


async def test_all_reasons_against_an_upload_are_published_at_once(platform: Platform) -> None:
    late = OURS.issue(a_host(), days=-1, issued_days_ago=20)
    other = OURS.issue(a_host())
    stranger = Authority("Stranger").root.public_bytes(Encoding.PEM).decode()

    verdict = await verdict_on(platform, platform.uploader.upload_of(late.bundle_pem + stranger, other.key_pem))

    assert verdict.kind == "certificate.rejected"
    assert codes_of(verdict) >= {"leaf_expired", "key_mismatch", "chain_stranger"}
    assert all(reason["message"] and reason["where"] for reason in verdict.data["reasons"])


async def test_names_that_are_not_covered_are_shown_with_those_that_are(platform: Platform) -> None:
    host, other = await registered(platform), a_host()

    verdict = await verdict_on(platform, platform.uploader.upload(OURS.issue(other), attach=[host]))

    assert codes_of(verdict) == {"attach_not_covered"}
    assert all(name in verdict.data["reasons"][0]["message"] for name in (host, other))
    assert await stored(platform, verdict.data["certificate_id"]) == 0


async def stored(platform: Platform, certificate_id: str) -> int:
    count = await platform.ledger.value("SELECT count(*) FROM registry.certificates WHERE id = $1", certificate_id)
    return int(count)


def envelope(**changes: object) -> bytes:
    usual = {
        "format": 1,
        "certificate_id": "cert_of-nobody",
        "tenant": "",
        "bundle_sha256": "00" * 32,
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "private_key_pem": "",
    }
    return json.dumps({**usual, **changes}).encode()


def altered(sealed: str) -> str:
    box = bytearray(base64.b64decode(sealed))
    box[-1] ^= 1
    return base64.b64encode(box).decode()


COPIES: Final[dict[str, tuple[Callable[[Platform, Data], Data], str]]] = {
    "under another id": (lambda _, data: {**data, "certificate_id": an_id()}, "sealed_other_certificate_id"),
    "of another tenant": (lambda _, data: {**data, "tenant": "thief"}, "sealed_other_tenant"),
    "with another bundle": (
        lambda _, data: {**data, "certificate_pem": data["certificate_pem"] + "\n"},
        "sealed_other_bundle",
    ),
    "sealed to an unknown key": (lambda _, data: {**data, "intake_key_id": "intake-0"}, "intake_key_unknown"),
    "altered": (lambda _, data: {**data, "sealed": altered(data["sealed"])}, "sealed_unreadable"),
    "not in base64": (lambda _, data: {**data, "sealed": "%%%"}, "sealed_not_base64"),
    "that is not an envelope": (lambda here, data: {**data, **here.uploader.sealed(b"[]")}, "sealed_malformed"),
    "of a later format": (lambda here, data: {**data, **here.uploader.sealed(envelope(format=2))}, "sealed_malformed"),
    "with a word too much": (
        lambda here, data: {**data, **here.uploader.sealed(envelope(more="x"))},
        "sealed_malformed",
    ),
}


@pytest.mark.parametrize("how", COPIES)
async def test_a_sealed_key_is_of_use_for_its_own_upload_only(platform: Platform, how: str) -> None:
    change, code = COPIES[how]
    original = platform.uploader.upload(OURS.issue(a_host()))

    verdict = await verdict_on(platform, change(platform, original))

    assert verdict.kind == "certificate.rejected"
    assert codes_of(verdict) == {code}


@pytest.mark.parametrize(
    ("hours", "code"), [(-0.01, "sealed_expired"), (24 * 7 + 1, "sealed_for_too_long")], ids=["past", "too far ahead"]
)
async def test_a_sealed_key_has_an_end_that_is_near(platform: Platform, hours: float, code: str) -> None:
    data = platform.uploader.upload(OURS.issue(a_host()), expires_in=timedelta(hours=hours))

    verdict = await verdict_on(platform, data)

    assert codes_of(verdict) == {code}


async def test_a_sealed_key_is_of_no_use_a_second_time(platform: Platform) -> None:
    data = platform.uploader.upload(OURS.issue(a_host()))
    await verdict_on(platform, data)

    await platform.publisher.bare(UPLOADED, {**data, "certificate_id": an_id()})
    await platform.publisher.bare(UPLOADED, {**data, "tenant": "thief"})
    verdicts = await platform.ledger.verdicts(data["certificate_id"], count=2)

    assert codes_of(verdicts[-1]) <= {"certificate_id_taken", "sealed_other_tenant"}
    assert await stored(platform, data["certificate_id"]) == 1


async def test_an_event_sent_five_times_in_five_copies_makes_one_certificate_and_one_answer(platform: Platform) -> None:
    data = platform.uploader.upload(OURS.issue(a_host()))
    event = cloud_event(UPLOADED, data)

    for _ in range(5):
        await platform.publisher.structured(event, copies=5)
    await platform.ledger.verdict(data["certificate_id"])
    await platform.settled()

    assert len(await platform.ledger.verdicts(data["certificate_id"])) == 1
    assert await stored(platform, data["certificate_id"]) == 1


async def test_the_same_upload_under_another_event_is_answered_again_and_the_same(platform: Platform) -> None:
    data = platform.uploader.upload(OURS.issue(a_host()))
    await platform.publisher.structured(cloud_event(UPLOADED, data))
    first = await platform.ledger.verdict(data["certificate_id"])

    await platform.publisher.structured(cloud_event(UPLOADED, data))
    verdicts = await platform.ledger.verdicts(data["certificate_id"], count=2)

    assert [verdict.data for verdict in verdicts] == [first.data] * 2
    assert await stored(platform, data["certificate_id"]) == 1


async def test_the_same_id_with_another_content_is_refused(platform: Platform) -> None:
    first = platform.uploader.upload(OURS.issue(a_host()))
    await verdict_on(platform, first)

    second = platform.uploader.upload(OURS.issue(a_host()), certificate_id=first["certificate_id"])
    await platform.publisher.bare(UPLOADED, second)
    verdicts = await platform.ledger.verdicts(first["certificate_id"], count=2)

    assert codes_of(verdicts[-1]) == {"certificate_id_taken"}


async def test_the_same_certificate_under_another_id_is_stored_once(platform: Platform) -> None:
    issued = OURS.issue(a_host())
    first = await verdict_on(platform, platform.uploader.upload(issued))

    second = platform.uploader.upload(issued)
    verdict = await verdict_on(platform, second)

    assert verdict.kind == "certificate.ready"
    assert verdict.data["certificate_id"] == first.data["certificate_id"]
    assert verdict.data["uploaded_as"] == second["certificate_id"]
    assert await stored(platform, second["certificate_id"]) == 0


async def test_the_same_certificate_of_another_tenant_is_stored_for_each(platform: Platform) -> None:
    issued = OURS.issue(a_host())

    verdicts = [
        await verdict_on(platform, platform.uploader.upload(issued, tenant=tenant)) for tenant in ("left", "right")
    ]

    assert [verdict.kind for verdict in verdicts] == ["certificate.ready"] * 2
    assert len({verdict.data["certificate_id"] for verdict in verdicts}) == 2


async def test_uploads_of_a_tenant_that_may_not_upload_are_rejected(platform: Platform) -> None:
    await platform.ledger.rows("INSERT INTO registry.tenants (tenant, uploads_allowed) VALUES ('off', false)")

    verdict = await verdict_on(platform, platform.uploader.upload(OURS.issue(a_host()), tenant="off"))

    assert codes_of(verdict) == {"uploads_off"}


async def test_after_the_verdict_neither_bundle_nor_sealed_key_of_an_upload_is_kept(platform: Platform) -> None:
    good = platform.uploader.upload(OURS.issue(a_host()))
    bad = platform.uploader.upload(OURS.issue(a_host(), days=-1, issued_days_ago=20))

    for data in (good, bad):
        await verdict_on(platform, data)
    rows = await platform.ledger.rows(
        "SELECT state, bundle, sealed FROM validator.uploads WHERE certificate_id = ANY($1) ORDER BY state",
        [good["certificate_id"], bad["certificate_id"]],
    )

    assert [tuple(row.values()) for row in rows] == [("accepted", None, None), ("rejected", None, None)]
