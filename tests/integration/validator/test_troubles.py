"""Uploads that harm the process that judges them, and validators that stop meanwhile."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.platform.customer_ca import Authority
from services.validator.app import OUTSIDE
from tests.rig.validator.odd_sandbox import COMMAND
from tests.rig.validator.surroundings import Rig

ODD = replace(OUTSIDE, sandbox=COMMAND)


def an_odd_upload(rig: Rig, authority: Authority, says: str, **more: Any) -> dict[str, Any]:
    return rig.uploader.upload_of(says, authority.issue("shop.example.com").key_pem, **more)


async def codes_of(rig: Rig, certificate_id: str) -> list[str]:
    fact = await rig.fact("certificate.rejected", certificate_id=certificate_id)
    return [reason["code"] for reason in fact.data["reasons"]]


async def test_an_upload_that_takes_too_long_is_rejected_and_the_others_are_judged(
    rig: Rig, authority: Authority
) -> None:
    async with rig.validator(outside=ODD, judge_seconds=0.3):
        await rig.publish(an_odd_upload(rig, authority, "spin 3600", certificate_id="cert_slow"))
        await rig.publish(rig.uploader.upload(authority.issue("shop.example.com"), certificate_id="cert_good"))
        await rig.fact("certificate.ready", certificate_id="cert_good")

        assert await codes_of(rig, "cert_slow") == ["judging_timeout"]
    row = await rig.upload_row("cert_slow")
    assert (row["state"], row["bundle"], row["sealed"]) == ("rejected", None, None)


async def test_more_slow_uploads_than_there_is_room_for_are_all_judged(rig: Rig, authority: Authority) -> None:
    async with rig.validator(outside=ODD, judge_seconds=0.3):
        for number in range(6):
            await rig.publish(an_odd_upload(rig, authority, "spin 3600", certificate_id=f"cert_{number}"))

        assert [await codes_of(rig, f"cert_{number}") for number in range(6)] == [["judging_timeout"]] * 6
    assert len(rig.facts("certificate.rejected")) == 6


async def test_an_upload_that_crashes_its_sandbox_each_time_is_rejected(rig: Rig, authority: Authority) -> None:
    async with rig.validator(outside=ODD):
        await rig.publish(an_odd_upload(rig, authority, "crash", certificate_id="cert_1"))

        assert await codes_of(rig, "cert_1") == ["judging_failed"]
    row = await rig.upload_row("cert_1")
    assert (row["state"], row["bundle"], row["sealed"], row["attempt"]) == ("rejected", None, None, 2)


async def test_reasons_are_shortened_and_cleaned_so_that_they_can_be_stored(rig: Rig, authority: Authority) -> None:
    async with rig.validator(outside=ODD):
        await rig.publish(an_odd_upload(rig, authority, "say", certificate_id="cert_1"))
        fact = await rig.fact("certificate.rejected", certificate_id="cert_1")

    (reason,) = fact.data["reasons"]
    assert reason["message"].startswith("??xxx")
    assert len(reason["message"]) < 3000
    assert reason["where"] == "bundle?"


async def test_an_upload_whose_sandbox_crashed_once_is_judged_by_another(
    rig: Rig, authority: Authority, tmp_path: Path
) -> None:
    async with rig.validator(outside=ODD):
        await rig.publish(an_odd_upload(rig, authority, f"crash once {tmp_path / 'marker'}", certificate_id="cert_1"))

        assert await codes_of(rig, "cert_1") != ["judging_failed"]
    assert (await rig.upload_row("cert_1"))["attempt"] == 1


async def test_a_stopping_validator_hands_back_unfinished_uploads(rig: Rig, authority: Authority) -> None:
    async with rig.validator(outside=ODD, judge_seconds=3600, grace_seconds=1):
        await rig.publish(an_odd_upload(rig, authority, "spin 3600", certificate_id="cert_1"))
        await rig.until("SELECT lease_until > received_at + interval '12 seconds' FROM validator.uploads")  # kept
    row = await rig.upload_row("cert_1")
    assert (row["state"], row["lease_until"], row["attempt"]) == ("received", None, 0)

    async with rig.validator(outside=ODD, judge_seconds=0.2):
        assert await codes_of(rig, "cert_1") == ["judging_timeout"]
