"""Uploads that arrive twice, copies of another tenant's upload, and identifiers that were used."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from dev.platform.customer_ca import Authority
from shared.messaging.broker.names import PUBLIC_EXCHANGE
from tests.rig.validator.surroundings import Rig

EVENT = {"specversion": "1.0", "type": "certificate.uploaded", "source": "/shop"}


async def test_an_upload_that_arrives_again_gets_the_same_answer_and_is_stored_once(
    rig: Rig, authority: Authority
) -> None:
    upload = rig.uploader.upload(authority.issue("shop.example.com"), certificate_id="cert_1")

    async with rig.validator():
        await rig.publish(upload, id="1", **EVENT)
        first = await rig.fact("certificate.ready")
        await rig.publish(upload, id="1", **EVENT)
        await rig.publish(upload, id="2", **EVENT)
        again = await rig.fact("certificate.ready", 2)

    assert again.data == first.data
    assert len(rig.facts("certificate.ready")) == 2
    assert await counts(rig) == {"certificates": 1, "keys": 1, "uploads": 1}


async def test_a_rejected_upload_that_arrives_again_is_rejected_for_the_same_reasons(
    rig: Rig, authority: Authority
) -> None:
    mine, other = authority.issue("shop.example.com"), authority.issue("shop.example.com")
    upload = rig.uploader.upload_of(mine.bundle_pem, other.key_pem, certificate_id="cert_1")

    async with rig.validator():
        await rig.publish(upload)
        first = await rig.fact("certificate.rejected")
        await rig.publish(upload)
        again = await rig.fact("certificate.rejected", 2)

    assert again.data == first.data
    assert await counts(rig) == {"certificates": 0, "keys": 0, "uploads": 1}


async def test_an_identifier_is_accepted_for_one_upload_only(rig: Rig, authority: Authority) -> None:
    mine, other = authority.issue("shop.example.com"), authority.issue("shop.example.com")

    async with rig.validator():
        await rig.publish(rig.uploader.upload(mine, certificate_id="cert_1", tenant="acme"))
        await rig.fact("certificate.ready")
        await rig.publish(rig.uploader.upload(other, certificate_id="cert_1", tenant="acme"))
        await rejected_for(rig, "certificate_id_taken", 1)
        await rig.publish(rig.uploader.upload(mine, certificate_id="cert_1", tenant="mallory"))
        await rejected_for(rig, "certificate_id_taken", 2)

    assert await counts(rig) == {"certificates": 1, "keys": 1, "uploads": 1}


async def test_a_certificate_that_the_tenant_has_keeps_its_first_identifier(rig: Rig, authority: Authority) -> None:
    issued = authority.issue("shop.example.com")

    async with rig.validator():
        await rig.publish(rig.uploader.upload(issued, certificate_id="cert_1", tenant="acme"))
        await rig.fact("certificate.ready", certificate_id="cert_1")
        await rig.publish(rig.uploader.upload(issued, certificate_id="cert_2", tenant="acme"))
        second = await rig.fact("certificate.ready", 2)
        await rig.publish(rig.uploader.upload(issued, certificate_id="cert_3", tenant="other"))
        third = await rig.fact("certificate.ready", 3)

    assert (second.data["certificate_id"], second.data["uploaded_as"]) == ("cert_1", "cert_2")
    assert (third.data["certificate_id"], third.data["uploaded_as"]) == ("cert_3", None)
    assert await counts(rig) == {"certificates": 2, "keys": 2, "uploads": 3}


async def test_an_upload_with_other_intermediates_is_warned_that_the_stored_ones_stay(
    rig: Rig, authority: Authority
) -> None:
    issued = authority.issue("shop.example.com")
    leaf_alone = issued.bundle_pem[: issued.bundle_pem.index("-----END CERTIFICATE-----\n") + 26]

    async with rig.validator():
        await rig.publish(rig.uploader.upload_of(leaf_alone, issued.key_pem, certificate_id="cert_1"))
        first = await rig.fact("certificate.ready")
        await rig.publish(rig.uploader.upload(issued, certificate_id="cert_2"))
        again = await rig.fact("certificate.ready", 2)

    assert "chain_not_replaced" not in [warning["code"] for warning in first.data["warnings"]]
    assert again.data["certificate_id"] == "cert_1"
    assert "chain_not_replaced" in [warning["code"] for warning in again.data["warnings"]]
    assert "cert_1" in again.data["warnings"][-1]["message"]


async def test_many_uploads_of_one_certificate_at_once_leave_one_key(rig: Rig, authority: Authority) -> None:
    issued = authority.issue("shop.example.com")

    async with rig.validator(judges=2):
        for number in range(6):
            await rig.publish(rig.uploader.upload(issued, certificate_id=f"cert_{number}"))
        await rig.fact("certificate.ready", 6)

    assert len({fact.data["certificate_id"] for fact in rig.facts("certificate.ready")}) == 1
    assert await counts(rig) == {"certificates": 1, "keys": 1, "uploads": 6}


@pytest.mark.parametrize("attach", [[], ["shop.example.com"]])
async def test_a_certificate_that_is_deleted_while_it_is_uploaded_again_is_stored_again(
    rig: Rig, authority: Authority, attach: list[str]
) -> None:
    issued = authority.issue("shop.example.com")

    async with rig.validator():
        await rig.publish(rig.uploader.upload(issued, certificate_id="cert_1", tenant="acme"))
        await rig.fact("certificate.ready")
        async with rig.database.acquire() as connection, connection.transaction():
            await connection.execute("SELECT registry.delete_uploaded_certificate('cert_1', 'acme')")
            await rig.publish(rig.uploader.upload(issued, certificate_id="cert_2", tenant="acme", attach=attach))
            await rig.until(
                "SELECT EXISTS (SELECT FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock')"
            )
        await rig.until("SELECT state <> 'received' FROM validator.uploads WHERE certificate_id = 'cert_2'")

    assert (await rig.upload_row("cert_2"))["stored_certificate_id"] == "cert_2"
    assert (await rig.upload_row("cert_2"))["attempt"] == 0
    assert await counts(rig) == {"certificates": 1, "keys": 1, "uploads": 2}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"certificate_id": "cert_2"}, "sealed_other_certificate_id"),
        ({"tenant": "mallory"}, "sealed_other_tenant"),
        ({"certificate_pem": "other"}, "sealed_other_bundle"),
        ({"intake_key_id": "other"}, "intake_key_unknown"),
        ({"sealed": base64.b64encode(bytes(200)).decode()}, "sealed_unreadable"),
        ({"sealed": "no base64"}, "sealed_not_base64"),
        ({"attach": ["10.0.0.1"]}, "attach_invalid_name"),
        ({"attach": ["blog.example.com"]}, "attach_not_covered"),
    ],
)
async def test_a_sealed_key_is_rejected_with_anything_but_the_upload_it_was_sealed_for(
    rig: Rig, authority: Authority, changed: dict[str, Any], code: str
) -> None:
    upload = rig.uploader.upload(authority.issue("shop.example.com"), certificate_id="cert_1", tenant="acme")

    async with rig.validator():
        await rig.publish({**upload, **changed})
        await rejected_for(rig, code, 1)

    assert await counts(rig) == {"certificates": 0, "keys": 0, "uploads": 1}
    assert await rig.database.fetchval("SELECT count(*) FROM validator.uploads WHERE sealed IS NOT NULL") == 0
    assert await rig.database.fetchval("SELECT count(*) FROM messaging.dead_letters") == 0


@pytest.mark.parametrize(
    ("expires_in", "code"),
    [(timedelta(seconds=-1), "sealed_expired"), (timedelta(days=7, minutes=5), "sealed_for_too_long")],
)
async def test_a_sealed_key_is_rejected_when_expired_or_valid_for_too_long(
    rig: Rig, authority: Authority, expires_in: timedelta, code: str
) -> None:
    async with rig.validator():
        await rig.publish(rig.uploader.upload(authority.issue("shop.example.com"), expires_in=expires_in))
        await rejected_for(rig, code, 1)


async def test_an_upload_is_rejected_while_uploads_are_disabled_and_accepted_once_enabled(
    rig: Rig, authority: Authority
) -> None:
    upload = rig.uploader.upload(authority.issue("shop.example.com"), certificate_id="cert_1", tenant="acme")

    async with rig.validator(uploads=False):
        await rig.publish(upload)
        await rejected_for(rig, "uploads_off", 1)
        await rig.database.execute("INSERT INTO registry.tenants (tenant, uploads_allowed) VALUES ('acme', true)")
        await rig.publish(upload)
        await rig.fact("certificate.ready", certificate_id="cert_1")

    assert await counts(rig) == {"certificates": 1, "keys": 1, "uploads": 1}


async def test_a_dead_lettered_upload_is_rejected_and_its_sealed_key_is_not_kept(
    rig: Rig, authority: Authority
) -> None:
    upload = rig.uploader.upload(authority.issue("shop.example.com"), certificate_id="cert_1")
    death = {"queue": "validator.certificate.uploaded", "reason": "delivery_limit", "exchange": PUBLIC_EXCHANGE}

    async with rig.validator():
        for _ in range(2):
            await rig.put("validator.dead_letters", upload, death=death, id="1", **EVENT)
        await rejected_for(rig, "not_handled", 1)
        await rig.until("SELECT count(*) = 1 FROM messaging.dead_letters")

    letter = await rig.database.fetchrow("SELECT body, headers, is_whole FROM messaging.dead_letters")
    assert letter is not None
    assert upload["sealed"] not in repr(letter["body"]) + repr(letter["headers"])
    assert not letter["is_whole"]
    assert len(rig.facts("certificate.rejected")) == 1


async def rejected_for(rig: Rig, code: str, count: int) -> None:
    fact = await rig.fact("certificate.rejected", count)

    assert [reason["code"] for reason in fact.data["reasons"]] == [code]


async def counts(rig: Rig) -> dict[str, int]:
    row = await rig.database.fetchrow(
        "SELECT (SELECT count(*) FROM registry.certificates) AS certificates, "
        "(SELECT count(*) FROM registry.keys) AS keys, (SELECT count(*) FROM validator.uploads) AS uploads"
    )
    assert row is not None
    return dict(row)
