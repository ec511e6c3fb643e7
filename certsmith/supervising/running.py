"""`certsmith up` as a whole: finds the services, handles signals, and shows output and events."""

import asyncio
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.text import Text

from certsmith.exits import ExitCode
from certsmith.supervising.loglines import readable
from certsmith.supervising.service import Service
from certsmith.supervising.supervisor import Supervisor
from certsmith.terminal import Terminal

_COLOURS: Final = ("cyan", "magenta", "green", "blue")
_STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # SIGHUP: the terminal was closed


def known_services() -> tuple[str, ...]:
    """Return the names of all installed services: the packages in `services` that have a `__main__`."""
    found = importlib.util.find_spec("services")
    folders = [Path(folder) for folder in found.submodule_search_locations or ()] if found is not None else []
    return tuple(sorted(main.parent.name for folder in folders for main in folder.glob("*/__main__.py")))


def service_called(name: str) -> Service:
    """Return how the service *name* is run here."""
    environment = {**os.environ, "LOG_FORMAT": "json"}  # `loglines` makes it readable
    return Service(name=name, argv=(sys.executable, "-m", f"services.{name}"), env=environment)


def run_services(services: Sequence[Service], terminal: Terminal, *, grace_seconds: float) -> ExitCode:
    """Run *services* until a signal arrives; return the exit code."""
    return asyncio.run(_run(services, terminal, grace_seconds=grace_seconds))


async def _run(services: Sequence[Service], terminal: Terminal, *, grace_seconds: float) -> ExitCode:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    shown = TerminalObserver(terminal, [service.name for service in services], stop)
    supervisor = Supervisor(services, shown, grace_seconds=grace_seconds)

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            supervisor.enforce()
            return
        shown.stopping(number)
        stop.set()

    for number in _STOPS:
        loop.add_signal_handler(number, on_signal, number)
    return await supervisor.run(stop)


class TerminalObserver:
    """Shows the output, starts and exits of services on a terminal; sets *stop* when standard output is closed."""

    def __init__(self, terminal: Terminal, names: Sequence[str], stop: asyncio.Event) -> None:
        self._terminal: Final = terminal
        self._width: Final = max(map(len, [*names, "up"]))
        self._styles: Final = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
        self._stop: Final = stop
        self._is_read = True

    def wrote(self, service: str, line: str) -> None:
        """Show *line* of *service*; with `--json` always as one JSON object."""
        if self._terminal.as_json:
            self._show_line(line if _is_object(line) else json.dumps({"service": service, "line": line}))
        else:
            self._show(service, readable(line))

    def started(self, service: str, pid: int) -> None:
        """Show that *service* has started."""
        self._tell("service_started", f"{service} runs as process {pid}", name=service, pid=pid)

    def ended(self, service: str, code: int, *, retries_in: float | None) -> None:
        """Show that *service* has exited, and when it restarts."""
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        then = f", restarts in {retries_in:.1f} s" if retries_in is not None else ""
        hint = "; its log above names the wrong setting" if code == ExitCode.SETTINGS and retries_in is None else ""
        self._tell("service_ended", f"{service} {how}{then}{hint}", name=service, code=code, retries_in=retries_in)

    def stopping(self, number: signal.Signals) -> None:
        """Show that all services are being stopped."""
        self._tell("stopping", f"{number.name}: stopping all services; send it again to stop them at once")

    def _tell(self, event: str, sentence: str, **facts: object) -> None:
        if self._terminal.as_json:
            now = datetime.now(UTC).isoformat()
            self._show_line(json.dumps({"event": event, **facts, "service": "up", "timestamp": now}))
        else:
            self._show("up", Text(sentence, style="bold"))

    def _show(self, service: str, text: Text) -> None:
        prefix = Text(f"{service:<{self._width}} | ", style=self._styles.get(service, "dim"))
        for line in text.split("\n"):
            self._print(Text.assemble(prefix, line))

    def _show_line(self, line: str) -> None:
        self._print(line)

    def _print(self, line: Text | str) -> None:
        if not self._is_read:
            return
        try:
            self._terminal.out.print(line, soft_wrap=True)
        except BrokenPipeError:  # services write until they have stopped
            self._is_read = False
            self._stop.set()


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
