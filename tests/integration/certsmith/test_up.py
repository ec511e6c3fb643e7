"""`certsmith up` keeps services running, and leaves nothing behind."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.rig import processes
from tests.rig.up_process import CRASHING_ONCE, MISCONFIGURED, STEADY, STUBBORN, running


def lines_of(text: str, service: str) -> list[str]:
    """Return what *service* has written."""
    return [line.partition(" | ")[2] for line in text.splitlines() if line.startswith(f"{service} ")]


async def test_all_services_run_and_their_lines_are_marked(tmp_path: Path) -> None:
    with running(tmp_path, first=STEADY, second=STEADY) as up:
        await up.says("first  | serving")
        await up.says("second | serving")


async def test_only_the_named_service_runs(tmp_path: Path) -> None:
    with running(tmp_path, "second", first=STEADY, second=STEADY) as up:
        await up.says("second | serving")

        assert lines_of(up.text, "first") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_lets_every_service_finish(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, first=STEADY, second=STEADY) as up:
        await up.says("first  | serving")
        await up.says("second | serving")

        up.process.send_signal(number)

        assert await up.ended() == 0
        assert lines_of(up.text, "first") == lines_of(up.text, "second") == ["serving", "drained"]
        assert processes.of_folder(tmp_path) == {}


async def test_a_service_that_crashes_is_restarted(tmp_path: Path) -> None:
    with running(tmp_path, weak=CRASHING_ONCE + STEADY, strong=STEADY) as up:
        await up.says("weak exited with code 3, restarts in ")
        await up.says("weak   | serving")

        assert lines_of(up.text, "strong") == ["serving"]


async def test_a_service_that_is_killed_is_restarted(tmp_path: Path) -> None:
    with running(tmp_path, first=STEADY) as up:
        await up.says("serving")
        (pid,) = (pid for pid in processes.of_folder(tmp_path) if pid != up.process.pid)

        os.kill(pid, signal.SIGKILL)

        await up.says("first was killed by SIGKILL, restarts in ")
        await processes.until(lambda: lines_of(up.text, "first") == ["serving", "serving"], "the second start")


async def test_wrong_settings_stop_all_services_with_their_own_exit_code(tmp_path: Path) -> None:
    with running(tmp_path, good=STEADY, bad=MISCONFIGURED) as up:
        assert await up.ended() == 78
        assert lines_of(up.text, "bad") == ["DATABASE_URL: is missing"]
        assert processes.of_folder(tmp_path) == {}


async def test_a_service_that_does_not_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    with running(tmp_path, "--grace", "0.2", stubborn=STUBBORN) as up:
        await up.says("serving")

        up.process.send_signal(signal.SIGTERM)

        assert await up.ended() == 1
        assert lines_of(up.text, "stubborn") == ["serving", "no", "no"]
        assert processes.of_folder(tmp_path) == {}


async def test_a_second_signal_is_passed_on(tmp_path: Path) -> None:
    with running(tmp_path, stubborn=STUBBORN) as up:
        await up.says("serving")

        up.process.send_signal(signal.SIGTERM)
        await up.says("| no")
        up.process.send_signal(signal.SIGTERM)

        await processes.until(lambda: lines_of(up.text, "stubborn").count("no") >= 2, "the second signal")


async def test_services_stop_gracefully_when_up_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, first=STEADY, second=STEADY) as up:
        await up.says("first  | serving")
        await up.says("second | serving")

        up.process.kill()

        await processes.until(lambda: processes.of_folder(tmp_path) == {}, "the end of all services")


async def test_programs_get_an_object_a_line_whatever_services_write(tmp_path: Path) -> None:
    talkative = "import json; print(json.dumps({'event': 'x', 'service': 'first'})); print('plain')\n" + STEADY
    with running(tmp_path, "--json", first=talkative) as up:
        await up.says("serving")
        up.process.send_signal(signal.SIGTERM)
        await up.ended()

        documents = [json.loads(line) for line in up.text.splitlines()]
        assert {"event": "x", "service": "first"} in documents
        assert {"service": "first", "line": "plain"} in documents
        assert [each["event"] for each in documents if each["service"] == "up"] == [
            "service_started",
            "stopping",
            "service_ended",
        ]


async def test_an_endless_line_does_no_harm(tmp_path: Path) -> None:
    endless = "import sys; sys.stdout.write('y' * 3_000_000); sys.stdout.flush()\n" + STEADY
    with running(tmp_path, first=endless) as up:
        await up.says("serving")
        up.process.send_signal(signal.SIGTERM)

        assert await up.ended() == 0
        assert up.text.count("y") == 3_000_000


async def test_an_unknown_service_is_a_usage_error(tmp_path: Path) -> None:
    with running(tmp_path, "nobody", first=STEADY) as up:
        assert await up.ended() == 2
        assert up.text == "error: there is no service 'nobody'; the services are first\n"
