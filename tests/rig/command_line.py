"""Runs `certsmith` as users do: as a process with an exit code and output."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dev.platform.platform import Platform
from dev.waiting import finished

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document that is the whole standard output."""
        return json.loads(self.out)


def environment_of(platform: Platform) -> dict[str, str]:
    """Return the settings of an operator of *platform*, with the publisher's login for publishing."""
    logins = platform.logins
    return {
        "AMQP_URL": logins.administrator_amqp_url,
        "AMQP_MANAGEMENT_URL": logins.management_url,
        "PUBLISHER_AMQP_URL": logins.amqp_url("publisher"),
        "DATABASE_URL": logins.administrator_url,
    }


async def certsmith(*words: str, environment: Mapping[str, str]) -> Answer:
    """Run `certsmith` with *words* to its end and return the result."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "certsmith",
        *words,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "CERTSMITH_CONFIG": os.devnull, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await finished(process.communicate(), f"certsmith {' '.join(words)} to end")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    assert "Traceback" not in err.decode(), err.decode()
    return Answer(code=process.returncode, out=out.decode(), err=err.decode())
