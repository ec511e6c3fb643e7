"""Uploads made to be expensive: each is judged in less than a second of CPU and with little memory."""

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


class JudgingProcess:
    """A process that judges uploads and reports the cost."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process: Final = process

    def judge(self, bomb: Bomb) -> dict[str, Any]:
        """Return the codes of the reasons to reject *bomb*, and the cost of judging it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"bundle": bomb.bundle, "key": bomb.key, "domain": HOST, "at": AT.isoformat()}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the judging process has exited"
        found: dict[str, Any] = json.loads(answer)
        return found


@pytest.fixture(scope="module")
def process() -> Iterator[JudgingProcess]:
    """Yield a process that has judged an upload before, so that one-time loading is not counted as an upload's cost."""
    argv = [sys.executable, "-m", "tests.rig.judging_cost"]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        process = JudgingProcess(started)
        process.judge(Bomb(leaf() + authority(), LEAF_KEY, None))
        yield process
        started.kill()


def test_the_upload_that_the_bombs_vary_is_valid(process: JudgingProcess) -> None:
    assert process.judge(Bomb(leaf() + authority(), LEAF_KEY, None))["codes"] == []


@functools.cache
def made(name: str) -> Bomb:
    """Return the bomb; cached, because it takes longer to make than to judge."""
    return BOMBS[name]()


@pytest.mark.parametrize("name", BOMBS)
def test_judging_a_bomb_is_cheap(process: JudgingProcess, name: str) -> None:
    cost = process.judge(made(name))

    assert cost["cpu_seconds"] < CPU_SECONDS
    assert cost["grown_bytes"] < GROWN_BYTES


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_the_right_code(process: JudgingProcess, name: str) -> None:
    bomb = made(name)

    codes = process.judge(bomb)["codes"]

    assert (codes == []) if bomb.code is None else any(code.startswith(bomb.code) for code in codes)
