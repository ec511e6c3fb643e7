"""AsyncAPI's own parser accepts our document."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.rig import nodejs

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "tests" / "asyncapi"
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"


def parsers_word_on(document: Path) -> Any:
    """Return what the parser says."""
    folder = nodejs.installed(SOURCE)
    shutil.copy(SOURCE / "check.mjs", folder)
    return json.loads(nodejs.run("node", "check.mjs", str(document), folder=folder))


def test_asyncapis_parser_accepts_the_document() -> None:
    said = parsers_word_on(DOCUMENT)

    assert said == {"parsed": True, "diagnostics": []}


def test_asyncapis_parser_would_complain(tmp_path: Path) -> None:
    broken = tmp_path / "asyncapi.yaml"
    broken.write_text(DOCUMENT.read_text().replace("#/components/messages/domain.created", "#/nowhere"))

    said = parsers_word_on(broken)

    assert said["diagnostics"]
