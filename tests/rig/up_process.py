"""`certsmith up` as a process, with services of a test's own instead of the real ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.rig import processes

ROOT: Final = Path(__file__).parents[2]

STEADY = """
import asyncio, signal, sys
async def main():
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print("serving", flush=True)
    await stop.wait()
    print("drained", flush=True)
asyncio.run(main())
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
print("serving", flush=True)
while True:
    time.sleep(1)
"""
CRASHING_ONCE = """
import pathlib, sys
marker = pathlib.Path("crashed")
if not marker.exists():
    marker.touch()
    print("crashing", flush=True)
    sys.exit(3)
"""
MISCONFIGURED = "import sys; print('DATABASE_URL: is missing', file=sys.stderr); sys.exit(78)"


class Up:
    """A running `certsmith up`; its output goes to a file."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process: Final = process
        self._log: Final = log

    @property
    def text(self) -> str:
        """Its whole output so far."""
        return self._log.read_text()

    async def says(self, text: str) -> None:
        """Return when its output contains *text*."""
        await processes.until(lambda: text in self.text, f"{text!r} in\n{self.text}")

    async def ended(self) -> int:
        """Return the exit code once it has exited."""
        await processes.until(lambda: self.process.poll() is not None, "the end of certsmith up")
        return self.process.wait()


@contextmanager
def running(folder: Path, *words: str, **services: str) -> Iterator[Up]:
    """Run `certsmith up` in *folder*, where *services* are packages by that name and with that program."""
    for name, program in services.items():
        package = folder / "services" / name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(program)
    (folder / "services" / "__init__.py").touch()
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "certsmith", "up", *words],
            cwd=folder,  # searched for packages before PYTHONPATH
            env={**os.environ, "PYTHONPATH": str(ROOT), "TEST_FOLDER": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Up(process, log)
    finally:
        process.kill()
        process.wait()
        for pid in processes.of_folder(folder):  # processes left by a failed test
            os.kill(pid, signal.SIGKILL)
