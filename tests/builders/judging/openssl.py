"""The program `openssl`, with which most customers make their keys and bundles."""

import subprocess
from pathlib import Path

from dev.servers import programs


def openssl(*words: str | Path, given: bytes = b"") -> bytes:
    """Run `openssl` with the arguments *words* and the standard input *given*; return its standard output."""
    done = subprocess.run([programs.openssl(), *words], input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {' '.join(map(str, words))}: {done.stderr.decode()}"
    return done.stdout
