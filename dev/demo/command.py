"""The command line of the demo, and signals."""

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Final

from certsmith.silence import silence_logs
from dev.demo.show import Show
from dev.demo.story import DemoError, Ending, Places, run_demo
from dev.folders import run_folder
from dev.program import ProgramError

INTERRUPTED: Final = 130  # the status that shells return: 128 + SIGINT
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run() -> int:
    """Run the demo; return 0 when every name was served, 130 when it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description="Issue and serve certificates here.")
    parser.add_argument("--keep", action="store_true", help="keep everything running until Ctrl-C")
    keep = parser.parse_args().keep
    silence_logs()
    shown, show = Path(os.environ.get("DEMO_FOLDER", ".run")), Show()
    shown.mkdir(parents=True, exist_ok=True)
    with run_folder("demo") as data:  # removed only after the loop's threads, which may write there, have ended
        try:
            code = asyncio.run(_run(show, Places(data=data, shown=shown), keep=keep))
        finally:
            for number in _ENDS:
                signal.signal(number, signal.SIG_IGN)  # the rest of the cleanup is short and must not be interrupted
    if code == INTERRUPTED:
        show.say("interrupted; everything that was started has been ended")
    return code


async def _run(show: Show, places: Places, *, keep: bool) -> int:
    ending = Ending(begun=asyncio.Event())
    story = asyncio.ensure_future(run_demo(show, places, ending, keep=keep))

    def on_signal() -> None:
        if ending.begun.is_set():
            return  # the cleanup must not be interrupted: processes might be left behind
        ending.begun.set()
        if not ending.is_awaited:
            story.cancel()

    for number in _ENDS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    try:
        return await story
    except asyncio.CancelledError:
        return INTERRUPTED
    except Exception as error:
        cause = _first(error)
        if not isinstance(cause, DemoError | ProgramError):
            raise
        show.failed(str(cause))
        return 1


def _first(error: Exception) -> Exception:
    """Return the first error of a group that concurrent tasks have raised."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
