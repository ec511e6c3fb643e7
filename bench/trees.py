"""Two releases side by side: rounds that alternate between this source tree and another one, on the same servers."""

import statistics
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from bench.results import Result, of_rounds
from dev.platform.platform import Platform
from dev.platform.service import Service

PEER: Final = "the other source tree"


async def compare(
    platform: Platform,
    make: Callable[[str], Service],
    run: Callable[[Service], Awaitable[Mapping[str, float]]],
    *,
    other_tree: Path | None,
    rounds: int,
) -> list[Result]:
    """Return the median of each cost that *run* returns, in CPU seconds, compared with the other tree's, if any.

    *make* returns the service of the given name; *run* is called in each round with the running service.
    """
    ours, theirs = make("ours"), make("theirs")
    services = [ours]
    if other_tree is not None:
        theirs.tree = other_tree
        services.append(theirs)
    found: dict[Service, list[Mapping[str, float]]] = {service: [] for service in services}
    for number in range(rounds):
        for service in services if number % 2 == 0 else reversed(services):
            await platform.run(service)
            costs = await run(service)
            await service.end()
            found[service].append(costs)
            text = ", ".join(f"{name} {seconds * 1000:.3f} ms" for name, seconds in costs.items())
            print(f"  round {number + 1}, {service.name}: {text}")
    return [
        of_rounds(
            name,
            [costs[name] for costs in found[ours]],
            unit="s",
            peer=PEER if other_tree else None,
            of_peer=statistics.median(costs[name] for costs in found[theirs]) if other_tree else None,
        )
        for name in found[ours][0]
    ]
