"""Rotating a signing ring: stored signatures stay valid, and the old key can no longer forge any."""

from dataclasses import replace

import pytest

from certsmith.rotation import RotationBlockedError
from shared.errors import MissingRingKeyError
from shared.registry import certificates
from shared.vault import key_files
from shared.vault.rings import utc_now
from tests.builders.stored_keys import TENANT, Stock, opens


async def test_all_rows_are_signed_again_and_the_old_key_can_forge_nothing(stock: Stock) -> None:
    await stock.add(20)
    await stock.add(5, writer="validator")
    thief = stock.save("stolen")
    old = stock.signing().ring.newest.id

    (report,) = await stock.rotate(stock.signing())
    (forged,) = await stock.add_by(thief, 1)

    assert (report.begun, report.renewed, report.left, report.deleted) == (True, 20, (), (old,))
    assert await stock.unopenable() == [forged.key_id]
    with pytest.raises(MissingRingKeyError, match=old):
        stock.files.key_reader().open(forged, tenant=TENANT)


async def test_a_rotation_leaves_the_other_writers_keys_unchanged(stock: Stock) -> None:
    await stock.add(2, writer="validator")
    before = (stock.folder / key_files.SIGNING["validator"].name).read_bytes()
    others = [key for key in stock.files.load(key_files.VERIFY).keys if key.writer == "validator"]

    await stock.rotate(stock.signing())

    assert (stock.folder / key_files.SIGNING["validator"].name).read_bytes() == before
    assert [key for key in stock.files.load(key_files.VERIFY).keys if key.writer == "validator"] == others
    assert await stock.unopenable() == []


async def test_running_processes_read_keys_before_and_after_a_rotation(stock: Stock) -> None:
    writer, reader = stock.files.key_writer("provisioner"), stock.files.key_reader()
    await stock.add(3)

    await stock.rotate(stock.signing())
    after = writer.seal(key_id=(await stock.stored())[0].key_id, tenant="", private_key_pkcs8=b"", public_key_spki=b"")

    assert after.signing_key_id == stock.signing().ring.newest.id
    assert await stock.unopenable(reader) == []


async def test_a_forged_row_does_not_become_genuine(stock: Stock) -> None:
    good, moved = await stock.add(2)
    await stock.owner.execute(
        "UPDATE registry.keys SET ciphertext = $2, signature = $3 WHERE id = $1",
        *(moved.key_id, good.ciphertext, good.signature),
    )
    forged = replace(good, signing_key_id="provisioner-0123456789abcdef")
    await stock.owner.execute(
        "INSERT INTO registry.keys SELECT 'key_000000000000000000000000', tenant, writer, format, $2, public_key, "
        "ciphertext, signature FROM registry.keys WHERE id = $1",
        *(good.key_id, forged.signing_key_id),
    )

    answer = await stock.command("signing", "--activate-after=0", "--json")

    provisioner, validator = answer.document["rings"]
    assert answer.code == 1
    assert {left["key_id"] for left in provisioner["left"]} == {moved.key_id, "key_000000000000000000000000"}
    assert provisioner["renewed"] == 1
    assert (validator["begun"], validator["renewed"], validator["left"]) == (True, 0, [])
    assert await stock.unopenable() == [moved.key_id]


async def test_rows_of_erased_keys_are_signed_again_too(stock: Stock) -> None:
    (erased,) = await stock.add(1)
    await stock.owner.execute("DELETE FROM registry.key_wraps")

    (report,) = await stock.rotate(stock.signing())

    signed_with = await stock.owner.fetchval("SELECT signing_key_id FROM registry.keys")
    assert (report.renewed, signed_with) == (1, report.current)
    assert await certificates.sealed_key(stock.owner, erased.key_id) is None


async def test_a_process_that_still_signs_with_the_old_key_blocks_the_rotation_once(stock: Stock) -> None:
    straggler = stock.save("another-machine")
    ring = stock.signing().ring
    old = ring.newest.id
    ring.begin(now=utc_now(), active_from=utc_now())
    (late,) = await stock.add_by(straggler, 1)
    await stock.owner.execute("UPDATE registry.keys SET created_at = now() + interval '2 minutes'")

    with pytest.raises(RotationBlockedError, match=r"has signed 1 keys with an older key.*secret\.json is old"):
        await stock.rotate(stock.signing())
    openable = opens(stock.files.key_reader(), late)
    (report,) = await stock.rotate(stock.signing())

    assert openable
    assert (report.begun, report.deleted) == (False, (old,))
    assert await stock.unopenable() == []


async def test_a_verify_key_left_by_an_interrupted_rotation_is_deleted(stock: Stock) -> None:
    await stock.add(2)
    before = stock.folder / key_files.SIGNING["provisioner"].name
    content = before.read_bytes()
    lost = stock.signing().ring.begin(now=utc_now(), active_from=utc_now())
    before.write_bytes(content)  # the verify key is written first; interrupted before the second file

    (report,) = await stock.rotate(stock.signing())

    assert report.begun
    assert lost.id in report.deleted
    assert lost.id not in {key.id for key in stock.files.load(key_files.VERIFY).keys}
    assert await stock.unopenable() == []
