"""Finds the programs that tests start: where Debian's packages install them, or where the environment says."""

import os
import re
import shutil
from pathlib import Path
from typing import Final

from dev.program import ProgramError

# Debian's /usr/sbin/rabbitmq-server changes to the user rabbitmq; the package's own script runs as its caller.
_RABBITMQ: Final = ("/usr/lib/rabbitmq/lib", "rabbitmq_server-*/sbin")
_POSTGRESQL: Final = ("/usr/lib/postgresql", "*/bin")


def rabbitmq_sbin() -> Path:
    """Return the folder that holds `rabbitmq-server`."""
    return _folder("RABBITMQ_SBIN", *_RABBITMQ, "rabbitmq-server")


def postgresql_bin() -> Path:
    """Return the folder that holds `initdb` and `postgres`."""
    return _folder("POSTGRESQL_BIN", *_POSTGRESQL, "postgresql")


def pebble() -> Path:
    """Return the program `pebble`."""
    return _program("PEBBLE", "pebble", "pebble")


def challtestsrv() -> Path:
    """Return the program `pebble-challtestsrv`."""
    return _program("PEBBLE_CHALLTESTSRV", "pebble-challtestsrv", "pebble")


def openssl() -> Path:
    """Return the program `openssl`, which most people use to make keys and certificates."""
    return _program("OPENSSL", "openssl", "openssl")


def _folder(variable: str, root: str, pattern: str, package: str) -> Path:
    if given := os.environ.get(variable):
        return Path(given)
    found = sorted(Path(root).glob(pattern), key=_version)
    if not found:
        raise ProgramError(f"no {root}/{pattern} here: install the package {package}, or set {variable}")
    return found[-1]


def _program(variable: str, name: str, package: str) -> Path:
    found = os.environ.get(variable) or shutil.which(name)
    if not found:
        raise ProgramError(f"no program {name} here: install the package {package}, or set {variable}")
    return Path(found)


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]
