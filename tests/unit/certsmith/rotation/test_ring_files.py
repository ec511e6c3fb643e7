"""The files of a ring during rotations: a process that reads them at any moment can work."""

import shutil
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certsmith.rotation.generation import generate, status
from certsmith.rotation.ring_files import (
    INTAKE,
    SIGNING,
    VAULT,
    RingFiles,
    RingPair,
    RotationUnderWayError,
    exclusively,
)
from shared.errors import SealError, SettingsError
from shared.identifiers import KeyId
from shared.vault import (
    KeyFiles,
    KeyReader,
    KeyWriter,
    SealedKey,
    SealedUpload,
    UploadReader,
    UploadWriter,
    in_place,
    key_files,
    ring_storage,
)
from shared.vault.key_files import KeyFile
from shared.vault.rings import utc_now

NOW = utc_now() + timedelta(hours=1)  # later than the rings are made
MINUTE = timedelta(minutes=1)
PAIRS = (VAULT, INTAKE, SIGNING["provisioner"])


@pytest.fixture
def keys(tmp_path: Path) -> KeyFiles:
    generate(tmp_path / "keys")
    return KeyFiles(keys_dir=tmp_path / "keys")


def ids(keys: KeyFiles, file: KeyFile) -> list[str]:
    return [key.id for key in keys.load(file).keys]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_readers_have_the_next_key_before_writers_use_it(keys: KeyFiles, pair: RingPair) -> None:
    ring = RingFiles(keys, pair)
    old = ring.newest

    new = ring.begin(now=NOW, active_from=NOW + MINUTE)

    reading = pair.public if pair.signs else pair.secret
    assert new.id in ids(keys, reading)
    assert keys.load(pair.secret).current_at(NOW) == old
    assert keys.load(pair.secret).current_at(NOW + MINUTE).id == new.id
    assert (ring.newest.id, [key.id for key in ring.older]) == (new.id, [old.id])
    assert [each.problem for each in status(keys)] == [None] * len(key_files.ALL)


def test_a_key_made_with_a_fast_clock_is_followed_by_the_next_key(keys: KeyFiles) -> None:
    ring = RingFiles(keys, VAULT)
    ahead = ring.begin(now=NOW + MINUTE, active_from=NOW + MINUTE)

    new = ring.begin(now=NOW, active_from=NOW)

    assert ring.newest.id == new.id
    assert new.begins_at > ahead.begins_at


def test_a_retired_key_is_only_in_the_secret_file(keys: KeyFiles) -> None:
    ring = RingFiles(keys, VAULT)
    old, new = ring.newest, ring.begin(now=NOW, active_from=NOW)

    ring.retire([old.id], at=NOW)

    assert ids(keys, key_files.VAULT_SECRET) == [old.id, new.id]
    assert ids(keys, key_files.VAULT_PUBLIC) == [new.id]
    assert [key.id for key in ring.retired] == [old.id]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_deleted_key_is_in_neither_file(keys: KeyFiles, pair: RingPair) -> None:
    ring = RingFiles(keys, pair)
    old, new = ring.newest, ring.begin(now=NOW, active_from=NOW)

    ring.forget([old.id], now=NOW)

    for file in (pair.secret, pair.public):
        assert old.id not in ids(keys, file)
        assert new.id in ids(keys, file)


def test_two_writers_share_a_file_and_keep_each_others_keys(keys: KeyFiles) -> None:
    provisioner, validator = (RingFiles(keys, pair) for pair in SIGNING.values())  # both read before either writes

    news = [ring.begin(now=NOW, active_from=NOW).id for ring in (provisioner, validator)]
    provisioner.forget([key.id for key in provisioner.older], now=NOW)

    assert len(ids(keys, key_files.VERIFY)) == 3
    assert {*news} < {*ids(keys, key_files.VERIFY)}


def test_a_rotation_keeps_the_modes_of_files(keys: KeyFiles) -> None:
    paths = [keys.path_of(file) for file in (key_files.VAULT_SECRET, key_files.VAULT_PUBLIC)]
    paths[0].chmod(0o400)

    RingFiles(keys, VAULT).begin(now=NOW, active_from=NOW)

    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o400, 0o644]


def test_files_of_different_origin_are_refused(keys: KeyFiles, tmp_path: Path) -> None:
    generate(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "vault.public.json", keys.keys_dir)

    with pytest.raises(SettingsError, match="do not belong together"):
        RingFiles(keys, VAULT)


def test_the_error_for_a_missing_file_names_it(keys: KeyFiles) -> None:
    (keys.keys_dir / "vault.public.json").unlink()

    with pytest.raises(SettingsError, match=r"vault\.public\.json: there is no such key ring"):
        RingFiles(keys, VAULT)


def test_only_one_rotation_runs_in_a_folder(keys: KeyFiles) -> None:
    with exclusively(keys, VAULT), pytest.raises(RotationUnderWayError), exclusively(keys, INTAKE):
        pass
    with exclusively(keys, INTAKE):
        pass


def test_the_next_rotation_completes_a_half_written_file(keys: KeyFiles) -> None:
    path = keys.path_of(key_files.VAULT_SECRET)
    content = path.read_bytes()
    in_place.spare_of(path).write_bytes(content)
    path.write_bytes(content[:50])

    with pytest.raises(SettingsError, match="interrupted: run it again"):
        keys.key_reader()
    RingFiles(keys, VAULT)

    keys.key_reader()


@dataclass
class Clock:
    """The clock of all processes."""

    now: datetime

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


class Machine:
    """The processes that read the rings in a folder, the data that they have sealed, and a rotation.

    A step may be interrupted after the first of its two files; the second file is then unchanged.
    """

    def __init__(self, folder: Path) -> None:
        generate(folder)
        self.keys = KeyFiles(keys_dir=folder)
        self.clock = Clock(utc_now())
        self.sealed: list[SealedKey] = []
        self.uploads: list[SealedUpload] = []

    def seal(self) -> None:
        """Seal a key as the provisioner does, and an upload; open the upload."""
        load = self.keys.load
        writer = KeyWriter(
            vault=load(key_files.VAULT_PUBLIC),
            signing=load(key_files.SIGNING["provisioner"]),
            writer="provisioner",
            now=self.clock,
        )
        self.sealed.append(writer.seal(key_id=KeyId("k"), tenant="", private_key_pkcs8=b"secret", public_key_spki=b""))
        upload = UploadWriter(load(key_files.INTAKE_PUBLIC), now=self.clock).seal(
            certificate_id="c", tenant="", bundle=b"", expires_at=self.clock.now + MINUTE, private_key_pem="PEM"
        )
        self.uploads.append(upload)
        reader = UploadReader(load(key_files.INTAKE_SECRET))
        assert reader.open(upload, certificate_id="c", tenant="", bundle=b"", now=self.clock.now) == "PEM"

    def unopenable(self) -> int:
        """Return how many sealed keys do not open."""
        reader = KeyReader(vault=self.keys.load(key_files.VAULT_SECRET), verify=self.keys.load(key_files.VERIFY))
        return sum(not _opens(reader, each) for each in self.sealed)

    def returned(self) -> list[str]:
        """Return the keys that were used again after another had replaced them."""
        used = (
            [each.vault_key_id for each in self.sealed],
            [each.signing_key_id for each in self.sealed],
            [each.intake_key_id for each in self.uploads],
        )
        runs = [[key_id for key_id, _ in groupby(key_ids)] for key_ids in used]
        return [key_id for key_ids in runs for key_id, times in Counter(key_ids).items() if times > 1]

    def step(self, pair: RingPair, step: "Step", *, is_interrupted: bool) -> None:
        """Run *step* on a ring; with *is_interrupted*, up to the first of the two files."""
        secret_first = (step is begin) != pair.signs  # a key is added for readers first, removed for writers first
        second = self.keys.path_of(pair.public if secret_first else pair.secret)
        before = second.read_bytes()
        step(RingFiles(self.keys, pair), self.clock.now)
        if is_interrupted:
            second.write_bytes(before)


def begin(ring: RingFiles, now: datetime) -> None:
    """Write a new key, after repairing an interrupted step."""
    ring.repair(now=now, active_from=now + MINUTE)
    ring.begin(now=now, active_from=now + MINUTE)


def retire(ring: RingFiles, now: datetime) -> None:
    """Retire the older keys, if the newest is active."""
    ring.repair(now=now, active_from=now + MINUTE)
    if ring.newest.is_active_at(now) and not ring.pair.signs:
        ring.retire([key.id for key in ring.older], at=now)


Step = Callable[[RingFiles, datetime], None]


def _opens(reader: KeyReader, sealed: SealedKey) -> bool:
    try:
        return reader.open(sealed, tenant="") == b"secret"
    except SealError:
        return False


STEPS = st.lists(
    st.tuples(st.sampled_from((begin, retire)), st.booleans(), st.sampled_from((0, 61))), min_size=1, max_size=6
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
@example(steps=[(begin, False, 61), (retire, True, 0), (retire, False, 61)])
def test_after_any_interrupted_steps_all_keys_open_and_no_old_key_returns(
    pair: RingPair, steps: list[tuple[Step, bool, int]]
) -> None:
    with TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "keys")
        machine.seal()
        for step, is_interrupted, seconds in steps:
            machine.step(pair, step, is_interrupted=is_interrupted)
            machine.seal()
            machine.clock.now += timedelta(seconds=seconds)
            machine.seal()

            assert machine.unopenable() == 0
            assert machine.returned() == []


def test_a_ring_with_a_future_key_is_read_as_it_was_written(keys: KeyFiles) -> None:
    ring = RingFiles(keys, VAULT)
    ring.begin(now=NOW, active_from=NOW + MINUTE)

    assert ring_storage.load(keys.path_of(key_files.VAULT_SECRET), ring="vault", half="secret") == ring.secret


def test_deleting_the_only_active_key_is_refused_and_writes_nothing(keys: KeyFiles) -> None:
    ring = RingFiles(keys, INTAKE)
    before = {path.name: path.read_bytes() for path in keys.keys_dir.iterdir()}

    with pytest.raises(SettingsError, match="no key that is active"):
        ring.forget([ring.newest.id], now=NOW)

    assert {path.name: path.read_bytes() for path in keys.keys_dir.iterdir()} == before
