"""A process whose sandbox process is busy for ever; it prints that one's id."""

import asyncio
import time

from services.validator.sandbox import messages
from services.validator.sandbox.process import SandboxProcess
from tests.rig.validator.odd_sandbox import COMMAND


async def main() -> None:
    """Wait for an answer that never comes."""
    sandbox = await SandboxProcess.start(seconds=3600, command=COMMAND)
    asking = asyncio.ensure_future(sandbox.ask(messages.Assignment(bundle=b"spin 3600", key=b"", at=time.time())))
    await asyncio.sleep(0)  # the assignment is sent
    print(sandbox.pid, flush=True)  # noqa: T201 - for the test that looks for it
    await asking


if __name__ == "__main__":
    asyncio.run(main())
