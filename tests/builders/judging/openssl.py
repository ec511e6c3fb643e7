"""The program `openssl`, with which most customers make what they upload."""

import subprocess
from pathlib import Path

from dev.servers import programs


def openssl(*words: str | Path, given: bytes = b"") -> bytes:
    """Return what `openssl` writes when it is called with *words* and gets *given* on its standard input."""
    done = subprocess.run([programs.openssl(), *words], input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {' '.join(map(str, words))}: {done.stderr.decode()}"
    return done.stdout
