"""Rotating the vault ring while keys are stored and read."""

import asyncio
import json
import random
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certsmith.rotation import ring_files, stored_keys
from certsmith.rotation.resealing import Rewrapper
from certsmith.rotation.vault import KEPT
from shared.errors import SettingsError
from shared.identifiers import new_key_id
from shared.registry import certificates
from shared.store import Connection, open_connection
from shared.vault import KeyWriter, key_files
from shared.vault.rings import utc_now
from tests.builders.stored_keys import TENANT, Stock, ids, opens, secret_of
from tests.rig.processes import until


async def test_after_a_rotation_all_keys_open_and_the_old_secret_opens_none(stock: Stock) -> None:
    await stock.add(20)
    await stock.add(5, writer="validator")
    running, thief = stock.files.key_reader(), stock.save("stolen")
    old = stock.vault().ring.newest.id

    (report,) = await stock.rotate(stock.vault())

    assert (report.begun, report.renewed, report.left, report.retired) == (True, 25, (), (old,))
    assert await stock.wrapped_to() == {report.current: 25}
    assert await stock.unopenable() == []
    assert await stock.unopenable(running) == []
    assert len(await stock.unopenable(thief.key_reader())) == 25


async def test_a_stolen_secret_opens_only_the_wraps_of_before_the_rotation(stock: Stock) -> None:
    (before,) = await stock.add(1)
    thief = stock.save("stolen").key_reader()

    await stock.rotate(stock.vault())
    (after,) = await stock.stored()

    assert opens(thief, before)
    assert not opens(thief, after)
    assert not opens(thief, replace(after, vault_key_id=before.vault_key_id))
    assert after == replace(before, vault_key_id=after.vault_key_id, wrap=after.wrap)


async def test_a_retired_key_is_deleted_seven_days_later(stock: Stock) -> None:
    await stock.add(3)
    (report,) = await stock.rotate(stock.vault())
    retired_at = report.waiting[0].retired_at

    (early,) = await stock.rotate(stock.vault(), begins=False, at=retired_at + KEPT - timedelta(seconds=1))
    (late,) = await stock.rotate(stock.vault(), begins=False, at=retired_at + KEPT)

    assert [each.until for each in early.waiting] == [retired_at + KEPT]
    assert (early.deleted, late.deleted) == ((), report.retired)
    assert [key.id for key in stock.files.load(key_files.VAULT_SECRET).keys] == [report.current]
    assert await stock.unopenable() == []


async def test_a_key_sealed_later_with_an_old_file_opens_and_is_sealed_again(stock: Stock) -> None:
    straggler = stock.save("another-machine")
    await stock.rotate(stock.vault())

    await stock.add_by(straggler, 4)
    unopenable = await stock.unopenable()
    (report,) = await stock.rotate(stock.vault(), begins=False, forgets_now=True)

    assert unopenable == []
    assert (report.renewed, len(report.deleted)) == (4, 1)
    assert await stock.unopenable() == []


async def test_keys_stored_during_a_rotation_are_renewed_too(stock: Stock) -> None:
    await stock.add(2000)
    done = asyncio.Event()
    writer = stock.files.key_writer("provisioner")  # one process, which rereads its files

    async def store() -> int:
        count = 0
        async with open_connection(stock.url, role="provisioner") as connection:
            while not done.is_set():
                await store_one(connection, writer, count)
                count += 1
        return count

    storing = asyncio.create_task(store())
    (report,) = await stock.rotate(stock.vault(), forgets_now=True)
    done.set()
    stored = await storing

    assert stored > 20
    assert await stock.wrapped_to() == {report.current: 2000 + stored}
    assert [key.id for key in stock.files.load(key_files.VAULT_SECRET).keys] == [report.current]
    assert await stock.unopenable() == []


async def store_one(connection: Connection, writer: KeyWriter, number: int) -> None:
    """Store one key in its own transaction, as a service does."""
    key_id = new_key_id()
    sealed = writer.seal(
        key_id=key_id, tenant=TENANT, private_key_pkcs8=secret_of(key_id), public_key_spki=b"%d" % number
    )
    async with connection.transaction():
        await certificates.insert_key(connection, sealed, tenant=TENANT)


async def test_keys_that_do_not_open_are_reported_and_stop_nothing(stock: Stock) -> None:
    good = await stock.add(3)
    altered, moved, strange = await stock.add(3)
    await stock.owner.execute("UPDATE registry.key_wraps SET wrap = $2 WHERE key_id = $1", altered.key_id, b"x" * 112)
    await stock.owner.execute("UPDATE registry.key_wraps SET wrap = $2 WHERE key_id = $1", moved.key_id, good[0].wrap)
    await stock.owner.execute(
        "UPDATE registry.key_wraps SET vault_key_id = 'vault-gone' WHERE key_id = $1", strange.key_id
    )

    answer = await stock.command("vault", "--activate-after=0", "--forget-now", "--json")

    (ring,) = answer.document["rings"]
    assert answer.code == 1
    assert {left["key_id"] for left in ring["left"]} == {altered.key_id, moved.key_id, strange.key_id}
    assert (ring["renewed"], len(ring["deleted"])) == (3, 1)
    assert sorted(await stock.unopenable()) == sorted(ids([altered, moved, strange]))


async def test_the_command_shows_its_progress(stock: Stock) -> None:
    await stock.add(2000)

    answer = await stock.command("vault", "--activate-after=0")

    assert answer.code == 0, answer.err
    assert re.search(r"^vault: re-wrapped 2,000 of 2,000 keys, [\d,]+ a second$", answer.err, re.MULTILINE)
    assert "2,000 stored keys renewed" in answer.out
    assert set((await stock.wrapped_to()).values()) == {2000}


async def test_a_killed_rotation_continues_where_it_stopped(stock: Stock) -> None:
    await stock.add(4000)
    old = stock.vault().ring.newest.id
    process = await stock.begin_command("vault", "--activate-after=0")

    while len(await stock.wrapped_to()) == 1:
        assert process.returncode is None
    process.kill()
    await process.wait()
    half = await stock.wrapped_to()
    openable = await stock.unopenable() == []
    answer = await stock.command("vault", "--activate-after=0", "--json")

    (ring,) = answer.document["rings"]
    assert half[old] > 0
    assert openable
    assert (ring["begun"], ring["renewed"], ring["retired"]) == (False, half[old], [old])
    assert await stock.wrapped_to() == {ring["current"]: 4000}
    assert set(half) == {old, ring["current"]}


async def test_a_rotation_killed_while_it_waits_continues_when_run_again(stock: Stock) -> None:
    await stock.add(3)
    process = await stock.begin_command("vault", "--activate-after=2")
    ring = stock.folder / "vault.secret.json"
    before = ring.read_text()

    await until(lambda: ring.read_text() != before, "the next key to be there")
    process.kill()
    await process.wait()
    answer = await stock.command("vault", "--activate-after=2", "--json")

    (report,) = answer.document["rings"]
    assert (report["begun"], report["renewed"]) == (False, 3)
    assert len(json.loads(ring.read_text())["keys"]) == 2


async def test_an_interrupt_from_the_keyboard_loses_nothing(stock: Stock) -> None:
    await stock.add(3)
    process = await stock.begin_command("vault", "--activate-after=60")
    assert process.stderr is not None
    while b"waiting" not in await process.stderr.readline():
        assert process.returncode is None

    process.send_signal(2)
    code = await process.wait()

    assert code == 130
    assert await stock.unopenable() == []


async def test_a_second_rotation_at_the_same_time_is_refused(stock: Stock) -> None:
    with ring_files.exclusively(stock.files, ring_files.VAULT):
        answer = await stock.command("vault", "--activate-after=0")

    assert answer.code == 1
    assert "another rotation is in progress" in answer.err


async def test_rotations_on_two_machines_overwrite_no_row_of_each_other(stock: Stock) -> None:
    await stock.add(400)
    ring = stock.vault().ring
    new = ring.begin(now=utc_now(), active_from=utc_now())
    to = ring.public.find(new.id)
    assert to is not None
    rewrapper = Rewrapper(ring.secret, to=to)
    async with open_connection(stock.url, role="keeper") as one, open_connection(stock.url, role="keeper") as other:
        read = await stored_keys.wraps(one, not_to=new.id, after="", limit=400)
        renewed = [(each, rewrapper.renew(each)) for each in read]

        replaced = await asyncio.gather(
            stored_keys.replace_wraps(one, renewed, to=new.id),
            stored_keys.replace_wraps(other, list(reversed(renewed)), to=new.id),
        )

    assert sorted(replaced) == [0, 400]
    versions = await stock.owner.fetch("SELECT DISTINCT version FROM registry.key_wraps")
    assert [row["version"] for row in versions] == [2]
    assert await stock.unopenable() == []


async def test_without_a_database_no_file_changes(stock: Stock) -> None:
    before = {path.name: path.read_bytes() for path in stock.folder.iterdir()}
    stock.url = "postgresql://127.0.0.1:1/nowhere"

    answer = await stock.command("vault")

    assert answer.code == 69
    assert {path.name: path.read_bytes() for path in stock.folder.iterdir()} == before


async def test_files_of_different_rings_are_refused(stock: Stock, tmp_path: Path) -> None:
    other = ring_files.RingFiles(stock.save("other"), ring_files.VAULT)
    other.begin(now=utc_now(), active_from=utc_now())
    (tmp_path / "other" / "vault.public.json").rename(stock.folder / "vault.public.json")

    with pytest.raises(SettingsError, match="do not belong together"):
        await stock.rotate(stock.vault())


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2, 3))])
async def test_a_rotation_killed_anywhere_loses_no_key_and_the_next_run_completes_it(stock: Stock, seed: int) -> None:
    dice = random.Random(seed)
    await stock.add(800)
    kept = stock.files.key_reader()
    for _ in range(3):
        process = await stock.begin_command("vault", "--activate-after=0", "--forget-now")
        await asyncio.sleep(dice.uniform(0.3, 4.0))  # not a wait: a random moment to kill the process
        if process.returncode is None:
            process.kill()
        await process.wait()

        assert await stock.unopenable() == []
        assert await stock.unopenable(kept) == []

    answer = await stock.command("vault", "--activate-after=0", "--finish", "--forget-now", "--json")

    (ring,) = answer.document["rings"]
    assert await stock.wrapped_to() == {ring["current"]: 800}
    assert [key.id for key in stock.files.load(key_files.VAULT_SECRET).keys] == [ring["current"]]
    assert [key.id for key in stock.files.load(key_files.VAULT_PUBLIC).keys] == [ring["current"]]


async def test_an_interrupted_retirement_does_not_bring_the_old_key_back(stock: Stock) -> None:
    await stock.add(3)
    secret = stock.folder / key_files.VAULT_SECRET.name
    ring = stock.vault().ring
    old, new = ring.newest.id, ring.begin(now=utc_now(), active_from=utc_now()).id
    content = secret.read_bytes()
    ring.retire([old], at=utc_now())
    secret.write_bytes(content)  # the public halves are written first; interrupted before the second file

    (report,) = await stock.rotate(stock.vault())

    assert (report.current, report.begun, report.retired) == (new, False, (old,))
    assert await stock.wrapped_to() == {new: 3}
