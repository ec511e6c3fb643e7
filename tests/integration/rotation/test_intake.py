"""Rotating the intake ring: uploads that were sealed before still open."""

import json
from datetime import timedelta

import pytest

from shared.errors import SealError
from shared.store import Connection
from shared.vault import KeyFiles, SealedUpload, key_files
from shared.vault.intake import LONGEST_LIFE
from shared.vault.rings import utc_now
from tests.builders.stored_keys import Stock
from tests.rig.processes import until


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


async def test_uploads_sealed_before_and_after_a_rotation_open(stock: Stock) -> None:
    before = seal(stock.files)

    (report,) = await stock.rotate(stock.intake())
    after = seal(stock.files)

    assert (report.begun, report.retired, report.deleted) == (True, (before.intake_key_id,), ())
    assert (after.intake_key_id, [each.id for each in report.waiting]) == (report.current, [before.intake_key_id])
    assert opens(stock.files, before)
    assert opens(stock.files, after)
    assert not opens(stock.save("copy"), SealedUpload(intake_key_id="gone", ciphertext=after.ciphertext))


async def test_the_old_intake_key_opens_no_upload_sealed_after_the_rotation(stock: Stock) -> None:
    thief = stock.save("stolen")

    await stock.rotate(stock.intake())

    assert not opens(thief, seal(stock.files))


async def test_the_old_intake_key_is_deleted_when_all_uploads_sealed_to_it_have_expired(stock: Stock) -> None:
    before = seal(stock.files)
    (report,) = await stock.rotate(stock.intake())
    retired_at = report.waiting[0].retired_at

    (early,) = await stock.rotate(stock.intake(), begins=False, at=retired_at + LONGEST_LIFE - timedelta(seconds=1))
    (late,) = await stock.rotate(stock.intake(), begins=False, at=retired_at + LONGEST_LIFE)

    assert (early.deleted, late.deleted, late.waiting) == ((), (before.intake_key_id,), ())
    assert not opens(stock.files, before)


async def test_an_intake_key_is_kept_while_an_upload_sealed_to_it_waits(stock: Stock) -> None:
    before = seal(stock.files)
    await add_upload(stock.owner, before)
    await stock.rotate(stock.intake())

    (report,) = await stock.rotate(stock.intake(), begins=False, at=utc_now() + 2 * LONGEST_LIFE)

    assert (report.deleted, [each.needed_by for each in report.waiting]) == ((), [1])


async def test_forget_now_deletes_the_old_key_at_once_and_reports_the_lost_uploads(stock: Stock) -> None:
    before = seal(stock.files)
    await add_upload(stock.owner, before)

    answer = await stock.command("intake", "--activate-after=0", "--forget-now")

    assert answer.code == 0
    assert "1 pending uploads are sealed to a deleted key and will be rejected" in answer.err
    assert not opens(stock.files, before)
    assert opens(stock.files, seal(stock.files))


async def test_uploaders_see_the_new_key_only_when_all_validators_have_it(stock: Stock) -> None:
    secret, public = (stock.folder / file.name for file in (key_files.INTAKE_SECRET, key_files.INTAKE_PUBLIC))
    before, shown = secret.read_text(), public.read_text()
    process = await stock.begin_command("intake", "--activate-after=60")

    await until(lambda: secret.read_text() != before, "the next key to be there")
    process.kill()
    await process.wait()

    assert public.read_text() == shown
    assert opens(stock.files, seal(stock.files))


async def test_a_rotation_killed_while_it_waits_continues_when_run_again(stock: Stock) -> None:
    secret = stock.folder / key_files.INTAKE_SECRET.name
    before = secret.read_text()
    process = await stock.begin_command("intake", "--activate-after=2")
    await until(lambda: secret.read_text() != before, "the next key to be there")
    process.kill()
    await process.wait()

    answer = await stock.command("intake", "--activate-after=2", "--json")

    (ring,) = answer.document["rings"]
    assert (ring["begun"], len(ring["retired"])) == (False, 1)
    assert [key["id"] for key in json.loads(secret.read_text())["keys"]] == [*ring["retired"], ring["current"]]
    assert seal(stock.files).intake_key_id == ring["current"]


async def test_an_upload_sealed_to_the_newest_key_in_the_file_opens(stock: Stock) -> None:
    await stock.rotate(stock.intake())

    (shown,) = json.loads((stock.folder / key_files.INTAKE_PUBLIC.name).read_text())["keys"]

    assert shown["retired_at"] is None
    assert stock.files.load(key_files.INTAKE_SECRET).find(shown["id"])


@pytest.mark.parametrize("ring", ["intake", "vault"])
async def test_the_option_writer_is_refused_for_other_rings(stock: Stock, ring: str) -> None:
    answer = await stock.command(ring, "--writer=validator")

    assert answer.code == 2
    assert "--writer is only for" in answer.err


async def test_an_interruption_between_the_two_files_is_repaired(stock: Stock) -> None:
    secret = stock.folder / key_files.INTAKE_SECRET.name
    old = stock.intake().ring.newest.id
    stock.intake().ring.begin(now=utc_now(), active_from=utc_now())
    content = secret.read_bytes()
    (first,) = await stock.rotate(stock.intake())
    secret.write_bytes(content)  # the public halves are written first; interrupted before the second file

    (again,) = await stock.rotate(stock.intake())

    assert (again.current, again.begun, again.retired) == (first.current, False, (old,))
    assert seal(stock.files).intake_key_id == first.current
