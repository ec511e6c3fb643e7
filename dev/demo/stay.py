"""With KEEP=1: commands to try while everything keeps running."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev.demo.world import World

_NEW: Final = "new.example.com"
_OWN: Final = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=own"


@contextmanager
def write_environment(world: World, run: Path) -> Iterator[Path]:
    """For the length of the block, keep a file that sets the demo's addresses in a shell: `. .run/demo.env`."""
    path = run / "demo.env"
    binaries = Path(sys.executable).parent
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(world.settings.items())]
    lines.append(f'export PATH={shlex.quote(str(binaries))}:"$PATH"')
    if not (binaries / "certsmith").exists():  # the project is not installed but runs from its folder
        lines.append('certsmith() { python -m certsmith "$@"; }')
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def describe(world: World, environment: Path, upstream: str) -> str:
    """Return commands to try, which work unchanged."""
    host, port = world.https
    name = next(iter(world.names.values()))
    new = _NEW if world.dns is not None else "HOST"
    trust = f" --cacert {world.roots}" if world.roots is not None else ""
    bundle, key = environment.with_name("own.pem"), environment.with_name("own.key")
    commands = (
        f". {environment}",
        "certsmith domains",
        f"certsmith status {name}",
        f"certsmith publish domain-created {new} --upstream {upstream} --wait",
        f"curl{trust} --connect-to ::{host}:{port} https://{new}/",
        f"{_OWN} -addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:{new} -keyout {key} -out {bundle}",
        f"certsmith publish certificate-uploaded --bundle {bundle} --key {key} --attach {new} --wait",
        "certsmith certificates list",
        "certsmith queues --watch",
        "certsmith dead-letters list",
    )
    lines = "\n".join(f"  {command}" for command in commands)
    return f"Everything keeps running. In another terminal, in this folder:\n\n{lines}\n\nCtrl-C here ends everything."
