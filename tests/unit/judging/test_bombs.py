"""Uploads that are made to be dear: each is refused, or judged, in less than a second of CPU and little memory."""

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.builders.judging.bombs import BOMBS, Bomb
from tests.builders.judging.minting import AT, HOST, LEAF_KEY, authority, leaf

ROOT: Final = Path(__file__).parents[3]
CPU_SECONDS: Final = 1.0
GROWN_BYTES: Final = 64 * 1024 * 1024


class Judge:
    """A process that judges, and says what it cost."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process: Final = process

    def judge(self, bomb: Bomb) -> dict[str, Any]:
        """Return what the judgement on *bomb* found, and what it cost."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"bundle": bomb.bundle, "key": bomb.key, "domain": HOST, "at": AT.isoformat()}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that judges has ended"
        found: dict[str, Any] = json.loads(answer)
        return found


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """Yield a judge that has judged before: what it loads once is not what an upload costs."""
    argv = [sys.executable, "-m", "tests.rig.judging_cost"]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        judge = Judge(process)
        judge.judge(Bomb(leaf() + authority(), LEAF_KEY, None))
        yield judge
        process.kill()


def test_what_the_bombs_are_made_from_is_valid(judge: Judge) -> None:
    assert judge.judge(Bomb(leaf() + authority(), LEAF_KEY, None))["codes"] == []


@functools.cache
def made(name: str) -> Bomb:
    """Return the bomb, which takes longer to make than to judge."""
    return BOMBS[name]()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little(judge: Judge, name: str) -> None:
    cost = judge.judge(made(name))

    assert cost["cpu_seconds"] < CPU_SECONDS
    assert cost["grown_bytes"] < GROWN_BYTES


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_for_what_it_is(judge: Judge, name: str) -> None:
    bomb = made(name)

    codes = judge.judge(bomb)["codes"]

    assert (codes == []) if bomb.code is None else any(code.startswith(bomb.code) for code in codes)
