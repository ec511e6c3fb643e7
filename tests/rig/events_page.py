"""Extracts the programs in docs/events.md as their readers copy them."""

import re
import sys
from pathlib import Path
from typing import Final

from tests.rig import nodejs

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "events.md").read_text()
BLOCKS: Final[list[tuple[str, str]]] = re.findall(r"^```(python|sh|js)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def block(text: str, *, folder: Path) -> list[str]:
    """Return the command line that runs the only block of the page that contains *text*.

    Node.js looks for packages next to the program, so they are put into *folder*.
    """
    ((language, code),) = [(language, code) for language, code in BLOCKS if text in code]
    match language:
        case "python":
            return [sys.executable, "-c", code]
        case "sh":
            return ["sh", "-euc", code]
        case _:
            (folder / "program.mjs").write_text(code)
            (folder / "node_modules").symlink_to(nodejs.installed(ROOT / "tests" / "uploading") / "node_modules")
            return nodejs.command("node", str(folder / "program.mjs"))
