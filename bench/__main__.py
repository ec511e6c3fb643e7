"""`python -m bench [NAME ...]`: runs benchmarks on private servers, writes `bench/results.json` and prints a table.

Without names all of them run. The results of those that did not run stay in the file. With `--other-tree` the file is
`bench/comparison.json`.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from bench import issuance, messages, outbox, results, uploads
from bench.results import Result
from dev.folders import run_folder
from dev.platform.platform import Platform
from dev.platform.servers import open_servers

RESULTS: Final = Path(__file__).with_name("results.json")
COMPARISON: Final = RESULTS.with_name("comparison.json")
BENCHMARKS: Final[dict[str, Callable[[Platform, Path | None], Awaitable[list[Result]]]]] = {
    "messages": messages.measure,
    "issuance": issuance.measure,
    "outbox": outbox.measure,
    "uploads": uploads.measure,
}


async def main(names: Sequence[str], other_tree: Path | None) -> None:
    """Run the benchmarks *names*, one after another."""
    found: list[Result] = []
    with run_folder("bench") as folder:
        async with open_servers(folder) as servers:
            for name in names:
                print(name)
                async with Platform.on(servers, name) as platform:
                    found += await BENCHMARKS[name](platform, other_tree)
    results.write(found, RESULTS if other_tree is None else COMPARISON)
    results.show(found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run benchmarks on private servers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all without any")
    parser.add_argument(
        "--other-tree",
        type=Path,
        metavar="FOLDER",
        help="compare the CPU for each message, order and upload with another release's, whose source tree this is",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return arguments


if __name__ == "__main__":
    chosen = _arguments()
    asyncio.run(main(chosen.names or list(BENCHMARKS), chosen.other_tree))
