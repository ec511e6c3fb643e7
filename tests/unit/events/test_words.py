"""The public word lists are complete, documented, and the only source of codes."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from dev import word_tables
from shared.events import CertificateFailed, ErrorCode, EventReason, ReasonCode, Word
from shared.judging.catalogue import RULES

ROOT: Final = Path(__file__).parents[3]
# These take a reason's code as their first argument, or as `code`.
CONSTRUCTORS: Final = frozenset(
    {"Reason", "EventReason", "Remark", "SealedUploadError", "NameRefusedError", "UpstreamRefusedError", "_refusal"}
)


def literal_codes() -> Iterator[tuple[str, str]]:
    """Yield each code that is written as a literal, with its place; the rules' codes are in their catalogue."""
    for top in ("certsmith", "services", "shared"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if "judging" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CONSTRUCTORS:
                    code = next((each.value for each in node.keywords if each.arg == "code"), None)
                    code = code or (node.args[0] if node.args else None)
                    if isinstance(code, ast.Constant) and isinstance(code.value, str):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", code.value


def test_each_code_in_the_sources_is_a_word() -> None:
    known = {*ReasonCode}

    assert [(place, code) for place, code in literal_codes() if code not in known] == []


def test_codes_of_rules_are_no_reason_codes_too() -> None:
    assert {rule.code for rule in RULES} & {*ReasonCode} == set()


def test_the_page_of_events_has_all_words_with_meaning_and_remedy() -> None:
    page = (ROOT / "docs" / "events.md").read_text()

    assert word_tables.filled(page) == page, "run `make docs`"
    assert [name for name in word_tables.LISTS if f"<!-- words: {name} -->" not in page] == []


@pytest.mark.parametrize("words", word_tables.LISTS.values(), ids=lambda words: words.__name__)
def test_each_word_has_a_meaning_that_fits_a_table(words: type[Word]) -> None:
    assert [word for word in words if not word.meaning or "|" in word.meaning + word.remedy] == []


@pytest.mark.parametrize("words", [ErrorCode, ReasonCode], ids=lambda words: words.__name__)
def test_each_code_says_who_must_do_what(words: type[Word]) -> None:
    assert [word for word in words if not word.remedy.endswith(".")] == []


def test_the_schemas_name_the_codes() -> None:
    failed = CertificateFailed.model_json_schema()["properties"]["error_code"]
    reason = EventReason.model_json_schema()["properties"]["code"]

    assert (failed["type"], failed["examples"]) == ("string", [*ErrorCode])
    assert (reason["type"], reason["examples"]) == ("string", [*ReasonCode])
