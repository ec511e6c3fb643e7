"""The intake's key is changed: uploads that are on their way are still opened."""

from datetime import timedelta

import pytest

from shared.errors import SealError
from shared.keeping.terms import ACTIVATE_SECONDS
from shared.store import Connection
from shared.vault import KeyFiles, SealedUpload, files
from shared.vault.intake import LONGEST_LIFE
from shared.vault.rings import utc_now
from shared.vault.rotating import INTAKE, RingFiles
from tests.integration.keeping.stock import Stock


def seal(keys: KeyFiles) -> SealedUpload:
    return keys.upload_writer().seal(
        certificate_id="cert_1",
        tenant="",
        bundle=b"",
        expires_at=utc_now() + LONGEST_LIFE - timedelta(hours=1),
        private_key_pem="PEM",
    )


def opens(keys: KeyFiles, sealed: SealedUpload) -> bool:
    try:
        return keys.upload_reader().open(sealed, certificate_id="cert_1", tenant="", bundle=b"", now=utc_now()) == "PEM"
    except SealError:
        return False


async def add_upload(owner: Connection, sealed: SealedUpload) -> None:
    await owner.execute(
        "INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, bundle, sealed, intake_key_id, "
        "attach, requested_at) VALUES ('cert_1', '', 'received', sha256(''), '', $1, $2, '{}', now())",
        sealed.ciphertext,
        sealed.intake_key_id,
    )


async def test_what_was_sealed_before_opens_after(stock: Stock) -> None:
    before = seal(stock.files)

    (report,) = await stock.turn(stock.intake())
    after = seal(stock.files)

    assert (report.begun, report.deleted) == (True, ())
    assert (after.intake_key_id, [each.id for each in report.waiting]) == (report.current, [before.intake_key_id])
    assert opens(stock.files, before)
    assert opens(stock.files, after)
    assert not opens(stock.save("copy"), SealedUpload(intake_key_id="gone", ciphertext=after.ciphertext))


async def test_the_old_key_opens_nothing_that_is_sealed_after(stock: Stock) -> None:
    thief = stock.save("stolen")

    await stock.turn(stock.intake())

    assert not opens(thief, seal(stock.files))


async def test_the_old_key_goes_when_no_upload_can_be_sealed_to_it_any_more(stock: Stock) -> None:
    before = seal(stock.files)
    (report,) = await stock.turn(stock.intake())
    retired_at = report.waiting[0].retired_at

    (early,) = await stock.turn(stock.intake(), begins=False, at=retired_at + LONGEST_LIFE - timedelta(seconds=1))
    (late,) = await stock.turn(stock.intake(), begins=False, at=retired_at + LONGEST_LIFE)

    assert (early.deleted, late.deleted, late.waiting) == ((), (before.intake_key_id,), ())
    assert not opens(stock.files, before)


async def test_an_upload_that_waits_keeps_its_key(stock: Stock) -> None:
    before = seal(stock.files)
    await add_upload(stock.owner, before)
    await stock.turn(stock.intake())

    (report,) = await stock.turn(stock.intake(), begins=False, at=utc_now() + 2 * LONGEST_LIFE)

    assert (report.deleted, [each.needed_by for each in report.waiting]) == ((), [1])


async def test_in_an_emergency_the_old_key_goes_at_once_and_it_is_said_what_that_costs(stock: Stock) -> None:
    before = seal(stock.files)
    await add_upload(stock.owner, before)

    answer = await stock.command("intake", "--activate-after=0", "--forget-now")

    assert answer.code == 0
    assert "1 uploads wait that are sealed to the deleted key: they will be rejected" in answer.err
    assert not opens(stock.files, before)
    assert opens(stock.files, seal(stock.files))


async def test_until_it_is_active_uploads_are_sealed_to_the_old_key(stock: Stock) -> None:
    answer = await stock.command("intake", "--json")

    (ring,) = answer.document["rings"]
    (old,) = ring["waiting"]
    sealed = seal(stock.files)
    public = {key.id: key for key in stock.files.load(files.INTAKE_PUBLIC).keys}
    assert sealed.intake_key_id == old["id"]
    assert public[ring["current"]].active_from == public[old["id"]].retired_at
    assert opens(stock.files, sealed)
    assert ACTIVATE_SECONDS > 0


async def test_a_second_run_before_it_is_active_makes_no_third_key(stock: Stock) -> None:
    first, second = await stock.command("intake", "--json"), await stock.command("intake", "--json")

    assert first.document["rings"][0]["current"] == second.document["rings"][0]["current"]
    assert second.document["rings"][0]["begun"] is False


@pytest.mark.parametrize("ring", ["intake", "vault"])
async def test_a_writer_of_signatures_is_no_matter_of_other_rings(stock: Stock, ring: str) -> None:
    answer = await stock.command(ring, "--writer=validator")

    assert answer.code == 2
    assert "--writer is for" in answer.err


async def test_a_cut_off_between_the_two_files_is_mended(stock: Stock) -> None:
    public = stock.folder / files.INTAKE_PUBLIC.name
    content = public.read_bytes()
    lost = RingFiles(stock.files, INTAKE).begin(now=utc_now(), active_from=utc_now(), retires_older=True)
    public.write_bytes(content)

    (report,) = await stock.turn(stock.intake())

    assert (report.current, report.begun) == (lost.id, False)
    assert seal(stock.files).intake_key_id == lost.id
