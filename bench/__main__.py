"""`python -m bench`: all benchmarks, on private servers; writes `bench/results.json` and prints a table."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench import issuance, outbox, results, uploads
from bench.results import Result
from dev.folders import run_folder
from dev.platform.platform import Platform
from dev.platform.servers import open_servers

RESULTS: Final = Path(__file__).with_name("results.json")
BENCHMARKS: Final[tuple[tuple[str, Callable[[Platform], Awaitable[list[Result]]]], ...]] = (
    ("issuance", issuance.measure),
    ("outbox", outbox.measure),
    ("uploads", uploads.measure),
)


async def main() -> None:
    """Run all benchmarks, one after another."""
    found: list[Result] = []
    with run_folder("bench") as folder:
        async with open_servers(folder) as servers:
            for name, measure in BENCHMARKS:
                print(name)
                async with Platform.on(servers, name) as platform:
                    found += await measure(platform)
    results.write(found, RESULTS)
    results.show(found)


if __name__ == "__main__":
    asyncio.run(main())
