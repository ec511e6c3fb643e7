"""A process with a judge that is busy for ever, whose id it prints."""

import asyncio
import time

from services.validator.sandbox import messages
from services.validator.sandbox.process import Judge
from tests.rig.validator.odd_judge import COMMAND


async def main() -> None:
    """Wait for the judge's opinion, which never comes."""
    judge = await Judge.start(seconds=3600, command=COMMAND)
    asking = asyncio.ensure_future(judge.ask(messages.Assignment(bundle=b"spin 3600", key=b"", at=time.time())))
    await asyncio.sleep(0)  # it is said
    print(judge.pid, flush=True)  # noqa: T201 - whom to look for
    await asking


if __name__ == "__main__":
    asyncio.run(main())
