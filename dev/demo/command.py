"""The command line of the demo, and signals."""

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Final

from dev.demo.show import Show
from dev.demo.story import DemoError, tell
from dev.program import ProgramError
from shared.cli.quiet import be_quiet

INTERRUPTED: Final = 130  # as shells say it: 128 + SIGINT
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run() -> int:
    """Run the demo; return 0 when every name was served, 130 when somebody ended it before."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description="Issue and serve certificates here.")
    parser.add_argument("--keep", action="store_true", help="go on running until Ctrl-C")
    keep = parser.parse_args().keep
    be_quiet()
    folder = Path(os.environ.get("DEMO_FOLDER", ".run"))
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_run(Show(), folder, keep=keep))


async def _run(show: Show, folder: Path, *, keep: bool) -> int:
    ending = asyncio.Event()
    story = asyncio.ensure_future(tell(show, folder, ending, keep=keep))

    def on_signal() -> None:
        if not ending.is_set():  # the end itself must not be interrupted: something might be left
            ending.set()
            story.cancel()

    for number in _ENDS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    try:
        return await story
    except asyncio.CancelledError:
        show.say("interrupted; nothing of it is left")
        return INTERRUPTED
    except (DemoError, ProgramError) as error:
        show.failed(str(error))
        return 1
