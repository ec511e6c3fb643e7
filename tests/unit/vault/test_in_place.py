"""Files that are replaced in place keep their inode, so that open and mounted files change too, and are never lost."""

import fcntl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.vault import in_place

OLD = b'{"old": "' + b"o" * 3000 + b'"}'
NEW = b'{"new": "' + b"n" * 900 + b'"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "ring.json"
    made.write_bytes(OLD)
    return made


@pytest.mark.parametrize("content", [NEW, OLD + NEW, b""])
def test_the_content_changes_and_the_file_stays_the_same(path: Path, content: bytes) -> None:
    path.chmod(0o640)
    mounted = path.parent / "mounted"
    mounted.hardlink_to(path)

    in_place.overwrite(path, content)

    assert mounted.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(path.parent.iterdir()) == sorted([path, mounted])


def test_a_read_only_file_is_written_by_its_owner_and_stays_read_only(path: Path) -> None:
    path.chmod(0o444)

    in_place.overwrite(path, NEW)

    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_symbolic_link_is_followed_and_kept(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)

    in_place.overwrite(link, NEW)

    assert link.is_symlink()
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("left", [b"", NEW[:100], NEW + OLD[len(NEW) :], OLD])
def test_an_interrupted_write_is_finished(path: Path, left: bytes) -> None:
    in_place.spare_of(path).write_bytes(NEW)
    path.write_bytes(left)

    in_place.recover(path)
    in_place.recover(path)

    assert path.read_bytes() == NEW
    assert list(path.parent.iterdir()) == [path]


def test_an_incomplete_copy_is_not_used(path: Path) -> None:
    in_place.spare_of(path).with_suffix(".draft").write_bytes(NEW[:100])

    in_place.recover(path)
    in_place.overwrite(path, NEW)

    assert path.read_bytes() == NEW
    assert list(path.parent.iterdir()) == [path]


def test_only_its_owner_can_read_the_copy_of_a_secret(path: Path) -> None:
    modes: list[int] = []
    with path.open("rb") as reader, ThreadPoolExecutor(1) as executor:
        fcntl.flock(reader, fcntl.LOCK_SH)  # the writer waits for this lock, after it made its copy
        writing = executor.submit(in_place.overwrite, path, NEW)
        while not in_place.spare_of(path).exists():
            assert not writing.done()
        modes.append(stat.S_IMODE(in_place.spare_of(path).stat().st_mode))
        fcntl.flock(reader, fcntl.LOCK_UN)
        writing.result()

    assert modes == [0o600]


def test_readers_never_see_half_a_file(path: Path) -> None:
    def write() -> None:
        for content in (NEW, OLD) * 50:
            in_place.overwrite(path, content)

    with ThreadPoolExecutor(4) as executor:
        writing = executor.submit(write)
        seen = set()
        while not writing.done():
            seen |= set(executor.map(in_place.read, [path] * 20))

    assert seen <= {OLD, NEW}
    assert len(seen) == 2


@pytest.mark.parametrize("kind", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_lock_that_is_never_released_blocks_neither_reader_nor_writer(path: Path, kind: int) -> None:
    with path.open("rb") as hostile:
        fcntl.flock(hostile, kind)

        before = in_place.read(path)
        in_place.overwrite(path, NEW)

        assert (before, in_place.read(path)) == (OLD, NEW)
