"""Rings that follow their files while a process runs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from shared.errors import MissingRingKeyError, SealError, SettingsError
from shared.identifiers import KeyId
from shared.vault import KeyReader, KeyWriter, Ring, SealedKey, ring_storage
from shared.vault.live import LiveRing
from tests.builders.rings import BORN, oldest_of, ring, signing_pair, vault_pair

ONE = ring("vault", b"1" * 32)
BOTH = ring("vault", b"1" * 32, b"2" * 32)
LATER = BORN + timedelta(days=200)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.json"


@pytest.fixture
def followed(path: Path, clock: Clock) -> LiveRing:
    write(path, ONE)
    return LiveRing(path, ring="vault", half="secret", tick=clock, now=lambda: LATER)


def write(path: Path, ring: Ring) -> None:
    path.write_bytes(ring_storage.dump(ring, half="secret"))


def unreadable() -> float:
    return REGISTRY.get_sample_value("vault_rings_unreadable_total", {"ring": "vault"}) or 0.0


def test_a_change_of_the_file_is_noticed_within_a_second(followed: LiveRing, path: Path, clock: Clock) -> None:
    write(path, BOTH)

    before = followed.read()
    clock.seconds += 1

    assert (before, followed.read()) == (ONE, BOTH)


def test_a_file_that_was_renamed_over_the_old_one_is_noticed(followed: LiveRing, path: Path, clock: Clock) -> None:
    write(path.with_suffix(".new"), BOTH)
    path.with_suffix(".new").rename(path)
    clock.seconds += 1

    assert followed.read() == BOTH


def test_a_refresh_reads_the_file_at_once(followed: LiveRing, path: Path) -> None:
    write(path, BOTH)

    assert followed.refresh()
    assert followed.read() == BOTH
    assert not followed.refresh()


def _is_gone(path: Path) -> None:
    path.unlink()


def _is_half(path: Path) -> None:
    path.write_bytes(ring_storage.dump(BOTH, half="secret")[:150])


def _is_another_ring(path: Path) -> None:
    write(path, replace(BOTH, name="intake"))


def _has_only_retired_keys(path: Path) -> None:
    write(path, ring("vault", b"2" * 32, retired=1))


@pytest.mark.parametrize("harm", [_is_gone, _is_half, _is_another_ring, _has_only_retired_keys])
def test_an_unusable_file_leaves_the_ring_unchanged_and_is_counted(
    followed: LiveRing, path: Path, clock: Clock, harm: Callable[[Path], None]
) -> None:
    counted = unreadable()
    harm(path)

    for _ in range(3):
        clock.seconds += 1
        assert followed.read() == ONE
    failed = unreadable() - counted
    write(path, BOTH)
    clock.seconds += 1

    assert failed == 3
    assert followed.read() == BOTH


def test_a_process_without_its_ring_does_not_start(path: Path) -> None:
    with pytest.raises(SettingsError, match="no such key ring"):
        LiveRing(path, ring="vault", half="secret")


class Stale:
    """A source of a ring without its second key, until the first refresh."""

    def __init__(self, whole: Ring) -> None:
        self.looks = 0
        self._whole = whole

    def read(self) -> Ring:
        """Return the ring as of the last refresh."""
        return self._whole if self.looks else oldest_of(self._whole)

    def refresh(self) -> bool:
        """Learn of the second key."""
        self.looks += 1
        return self.looks == 1


VAULT_SECRET, VAULT_PUBLIC = vault_pair(keys=2)
SIGNING, VERIFY = signing_pair(keys=2)
WRITER = KeyWriter(vault=VAULT_PUBLIC, signing=SIGNING, writer="provisioner")
READER = KeyReader(vault=VAULT_SECRET, verify=VERIFY)


def seal(writer: KeyWriter = WRITER) -> SealedKey:
    return writer.seal(key_id=KeyId("k"), tenant="", private_key_pkcs8=b"secret", public_key_spki=b"")


def test_a_key_is_used_from_the_time_when_it_becomes_active() -> None:
    at = BORN + timedelta(days=10)
    first, second = VAULT_PUBLIC.keys
    public = replace(VAULT_PUBLIC, keys=(first, replace(second, active_from=at)))
    times = iter([BORN, BORN, BORN, at - timedelta.resolution, at])
    writer = KeyWriter(vault=public, signing=SIGNING, writer="provisioner", now=lambda: next(times))

    assert [seal(writer).vault_key_id for _ in range(3)] == ["vault-0", "vault-0", "vault-1"]


def test_a_reader_that_lacks_a_key_refreshes_its_ring_before_it_refuses() -> None:
    vault, verify = Stale(VAULT_SECRET), Stale(VERIFY)
    reader = KeyReader(vault=vault, verify=verify)

    assert reader.has_keys_for(seal())
    assert reader.open(seal(), tenant="") == b"secret"
    assert (vault.looks, verify.looks) == (1, 1)


@pytest.mark.parametrize("missing", [replace(seal(), vault_key_id="gone"), replace(seal(), signing_key_id="gone")])
def test_a_key_that_no_ring_has_is_reported_as_missing(missing: SealedKey) -> None:
    assert not READER.has_keys_for(missing)
    with pytest.raises(MissingRingKeyError, match="gone"):
        READER.open(missing, tenant="")


def test_an_altered_row_is_not_reported_as_a_missing_key() -> None:
    with pytest.raises(SealError) as caught:
        READER.open(replace(seal(), ciphertext=b"other"), tenant="")

    assert not isinstance(caught.value, MissingRingKeyError)
