"""The demo as a process, with its servers' data and all else in a folder of the test's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev.waiting import until
from tests.rig import processes

ROOT: Final = Path(__file__).parents[2]
# What the caller's environment may have for the tests' own servers.
_GIVEN: Final = ("AMQP_URL", "AMQP_MANAGEMENT_URL", "DATABASE_URL", "AUTOCERT_CA")


class Demo:
    """A running demo; what it writes goes to a file."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process: Final = process
        self.folder: Final = folder
        self.run: Final = folder / "run"

    @property
    def text(self) -> str:
        """All that it has written."""
        return (self.folder / "demo.txt").read_text()

    async def says(self, text: str) -> None:
        """Return when it has written *text*."""

        async def look() -> bool:
            return text in self.text or self.process.poll() is not None

        await until(look, lambda: f"{text!r} in\n{self.text}")
        assert text in self.text, self.text

    def signal(self, number: signal.Signals) -> None:
        """Send a signal as a terminal does: to all processes of the demo's group."""
        os.killpg(self.process.pid, number)

    async def ended(self) -> int:
        """Return the exit code once it has ended."""

        async def look() -> bool:
            return self.process.poll() is not None

        await until(look, lambda: f"the end of the demo\n{self.text}")
        return self.process.wait()

    def left_behind(self) -> dict[int, str]:
        """Return the processes that it has left."""
        return processes.of_folder(self.folder)

    def settings(self) -> dict[str, str]:
        """Return the settings in the file that it writes for a shell with KEEP=1."""
        script = f'set -a; . "{self.run / "demo.env"}"; env -0'
        found = subprocess.run(["sh", "-c", script], capture_output=True, check=True, text=True).stdout
        return dict(line.split("=", 1) for line in found.split("\0") if line)


@contextmanager
def running(folder: Path, *words: str, **environment: str) -> Iterator[Demo]:
    """Run the demo with its files in *folder*; *environment* is added to the test's own."""
    inherited = {name: value for name, value in os.environ.items() if name not in _GIVEN}
    with (folder / "demo.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev.demo", *words],
            cwd=ROOT,
            env={**inherited, "TMPDIR": str(folder), "DEMO_FOLDER": str(folder / "run"), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    demo = Demo(process, folder)
    try:
        yield demo
    finally:
        process.kill()
        process.wait()
        for pid in demo.left_behind():  # what a failed test has left
            os.kill(pid, signal.SIGKILL)
