"""The states of an order as a diagram, generated from the table of transitions.

`python -m dev.order_states` prints it, `python -m dev.order_states docs` writes it to `docs/issuance.md`.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.provisioner.rules.orders import TRANSITIONS, Trigger
from shared.events import OrderState
from shared.registry.order_states import FINISHED

FENCE: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE: Final = "issuance.md"


def diagram() -> str:
    """Return the diagram in Mermaid's language; a transition from every unfinished state is one arrow."""
    return "\n".join(("stateDiagram-v2", "    [*] --> queued", *(f"    {line}" for line in _lines()))) + "\n"


def _lines() -> Iterator[str]:
    unfinished = {state for state in OrderState if state not in FINISHED}
    everywhere = {
        trigger: target
        for (_, trigger), target in TRANSITIONS.items()
        if {state for state, each in TRANSITIONS if each is trigger} == unfinished
    }
    yield "state unfinished {"
    for (state, trigger), target in TRANSITIONS.items():
        if trigger not in everywhere and target not in FINISHED:
            yield f"    {state} --> {target}: {trigger}"
    yield "}"
    for (state, trigger), target in TRANSITIONS.items():
        if trigger not in everywhere and target in FINISHED:
            yield f"{state} --> {target}: {trigger}"
    for trigger, target in everywhere.items():
        yield f"unfinished --> {target}: {trigger}"


def table() -> str:
    """Return one line for each trigger and the state that it leads to, as in the docstring of `rules.orders`."""
    unfinished = [state for state in OrderState if state not in FINISHED]
    sources: dict[tuple[Trigger, OrderState], list[OrderState]] = {}
    for (state, trigger), target in TRANSITIONS.items():
        sources.setdefault((trigger, target), []).append(state)
    width = max(len(trigger) for trigger, _ in sources)
    return "\n".join(
        f"{trigger:{width}}  {'every unfinished state' if found == unfinished else ', '.join(found)} ─▶ {target}"
        for (trigger, target), found in sources.items()
    )


def main() -> None:
    """Print the diagram, or write it into the page in the folder that the command line names."""
    if len(sys.argv) == 1:
        sys.stdout.write(diagram())
        return
    page = Path(sys.argv[1]) / PAGE
    page.write_text(FENCE.sub(f"```mermaid\n{diagram()}```", page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
