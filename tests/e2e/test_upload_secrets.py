"""Uploaded private keys: in the clear nowhere but in the validator's hands, whatever the verdict was."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
import pytest_asyncio

from dev.platform.customer_ca import Authority, Issued, KeyKind, pkcs8
from dev.platform.ledger import Fact
from dev.platform.platform import Platform
from dev.platform.uploading import UPLOADED
from tests.rig.secrets import key_forms
from tests.rig.secrets.search import found_in_the_clear

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]

OURS: Final = Authority()
Data = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform) -> None:
    await platform.run(
        platform.provisioner(LOG_LEVEL="debug"),
        platform.validator(LOG_LEVEL="debug"),
        platform.terminator(LOG_LEVEL="debug"),
    )


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


async def test_no_uploaded_key_is_anywhere_in_the_clear(platform: Platform) -> None:
    good = {f"accepted {kind}": OURS.issue(a_host(), kind=kind) for kind in KeyKind}
    bad = {f"rejected {kind}": OURS.issue(a_host(), kind=kind, days=-1, issued_days_ago=9) for kind in KeyKind}
    copied = OURS.issue(a_host())
    uploads = {name: platform.uploader.upload(issued) for name, issued in (good | bad).items()}
    uploads["copied"] = {**platform.uploader.upload(copied), "tenant": "thief"}
    for host, upload in zip([issued.host for issued in good.values()], uploads.values(), strict=False):
        await platform.publisher.bare("domain.created", platform.domain(host, certificate_management_policy=None))
        upload["attach"] = [host]

    for data in uploads.values():
        await platform.publisher.bare(UPLOADED, data)
    verdicts = {name: await platform.ledger.verdict(data["certificate_id"]) for name, data in uploads.items()}
    for issued in good.values():
        await platform.served(issued.host, trusting=OURS.roots_pem)

    assert {name for name, verdict in verdicts.items() if verdict.kind == "certificate.ready"} == set(good)
    keys = {name: pkcs8(issued.key) for name, issued in (good | bad | {"copied": copied}).items()}
    assert await found_in_the_clear(platform, keys) == []


def clear_in_the_bundle(issued: Issued, data: Data) -> Data:
    return {**data, "certificate_pem": issued.bundle_pem + issued.key_pem}


def clear_in_the_description(issued: Issued, data: Data) -> Data:
    return {**data, "description": issued.key_pem[:250]}


def clear_in_the_metadata(issued: Issued, data: Data) -> Data:
    return {**data, "metadata": issued.key_pem}


def clear_instead_of_sealed(issued: Issued, data: Data) -> Data:
    return {**data, "sealed": base64.b64encode(issued.key_pem.encode()).decode()}


def clear_der_instead_of_sealed(issued: Issued, data: Data) -> Data:
    return {**data, "sealed": base64.b64encode(pkcs8(issued.key)).decode()}


def clear_beside_sealed(issued: Issued, data: Data) -> Data:
    return {**data, "private_key_pem": issued.key_pem}


def clear_as_an_attached_host(issued: Issued, data: Data) -> Data:
    return {**data, "attach": [issued.key_pem]}


CLEAR: Final[dict[str, Callable[[Issued, Data], Data]]] = {
    "the bundle": clear_in_the_bundle,
    "the description": clear_in_the_description,
    "the metadata": clear_in_the_metadata,
    "the sealed key": clear_instead_of_sealed,
    "the sealed key, as DER": clear_der_instead_of_sealed,
    "a field of its own": clear_beside_sealed,
    "the list of hosts": clear_as_an_attached_host,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An upload whose key is in the clear, and the answer to it."""

    issued: Issued
    verdict: Fact


KINDS: Final = (KeyKind.ECDSA_P256, KeyKind.RSA_2048, KeyKind.ED25519)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(platform: Platform) -> dict[tuple[str, str], Shown]:
    """Return how the service handled a key of each kind in the clear in each place."""
    issued = {(place, kind): OURS.issue(a_host(), kind=kind) for place in CLEAR for kind in KINDS}
    uploads = {case: CLEAR[case[0]](each, platform.uploader.upload(each)) for case, each in issued.items()}
    for data in uploads.values():
        await platform.publisher.bare(UPLOADED, data)
    return {
        case: Shown(issued=issued[case], verdict=await platform.ledger.verdict(data["certificate_id"]))
        for case, data in uploads.items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", CLEAR)
async def test_a_key_in_the_clear_is_answered_with_what_it_means(
    shown: dict[tuple[str, str], Shown], place: str, kind: KeyKind
) -> None:
    verdict = shown[place, kind].verdict

    assert verdict.kind == "certificate.rejected"
    assert [reason["code"] for reason in verdict.data["reasons"]] == ["key_in_the_clear"]
    assert "compromised" in verdict.data["reasons"][0]["message"]


async def test_a_key_in_the_clear_goes_no_further_than_the_brokers_file(
    platform: Platform, shown: dict[tuple[str, str], Shown]
) -> None:
    keys = {f"the {kind} key in {place}": pkcs8(each.issued.key) for (place, kind), each in shown.items()}

    assert await found_in_the_clear(platform, keys, but_in=["RabbitMQ"]) == []
    ids = [each.verdict.data["certificate_id"] for each in shown.values()]
    assert await platform.ledger.rows("SELECT id FROM registry.certificates WHERE id = ANY($1)", ids) == []


async def test_the_search_finds_every_form_of_every_key_in_a_file(platform: Platform) -> None:
    planted = platform.folder / "planted"
    for kind in KeyKind:
        needles = key_forms.needles_of(pkcs8(OURS.issue(a_host(), kind=kind).key))
        for name, needle in needles.items():
            planted.write_bytes(b"before" + needle + b"after")

            assert name in key_forms.search(planted, needles)
    planted.unlink()


async def test_the_search_finds_a_key_in_a_row_that_the_database_compresses(platform: Platform) -> None:
    issued = OURS.issue(a_host())
    await platform.ledger.rows("CREATE TABLE planted (text text)")
    await platform.ledger.rows("INSERT INTO planted VALUES ($1)", issued.key_pem + "shop " * 10_000)

    found = await found_in_the_clear(platform, {"key": pkcs8(issued.key)})
    await platform.ledger.rows("DROP TABLE planted")

    assert any(each.endswith("rows of public.planted") for each in found)


async def test_the_search_finds_a_key_in_the_log_and_in_the_brokers_file(platform: Platform) -> None:
    issued = OURS.issue(a_host())
    (platform.folder / "planted.log").write_text(issued.key_pem)
    clear = {"domain": a_host(), "metadata": issued.key_pem}
    await platform.publisher.bare("domain.created", clear)

    found = await found_in_the_clear(platform, {"key": pkcs8(issued.key)})
    (platform.folder / "planted.log").unlink()

    assert any("planted.log" in each for each in found)
    assert any("in RabbitMQ: " in each for each in found)
