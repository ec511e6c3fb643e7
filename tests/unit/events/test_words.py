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
# The first argument of these, or their argument `code`, is a reason's code.
CONSTRUCTORS: Final = frozenset(
    {
        "Reason",
        "EventReason",
        "Remark",
        "UploadRemark",
        "SealedUploadError",
        "NameRefusedError",
        "UpstreamRefusedError",
        "_refusal",
    }
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


def test_programs_and_messaging_write_codes_as_words() -> None:
    # shared.names, shared.upstreams and shared.vault lie below shared.events, so their codes stay literals.
    above = ("certsmith/", "services/", "shared/messaging/")

    assert [(place, code) for place, code in literal_codes() if place.startswith(above)] == []


def test_no_rule_has_the_code_of_a_reason() -> None:
    assert {rule.code for rule in RULES} & {*ReasonCode} == set()


def test_the_events_page_has_all_words_with_meaning_and_remedy() -> None:
    page = (ROOT / "docs" / "events.md").read_text()

    assert word_tables.filled(page) == page, "run `make docs`"
    assert [name for name in word_tables.LISTS if f"<!-- words: {name} -->" not in page] == []


@pytest.mark.parametrize("words", word_tables.LISTS.values(), ids=lambda words: words.__name__)
def test_each_word_has_a_meaning_that_fits_a_table(words: type[Word]) -> None:
    assert [word for word in words if not word.meaning or "|" in word.meaning + word.remedy] == []


@pytest.mark.parametrize("words", [ErrorCode, ReasonCode], ids=lambda words: words.__name__)
def test_the_remedy_of_each_code_is_a_sentence(words: type[Word]) -> None:
    assert [word for word in words if not word.remedy.endswith(".")] == []


def test_the_schemas_name_the_codes() -> None:
    failed = CertificateFailed.model_json_schema()["properties"]["error_code"]
    reason = EventReason.model_json_schema()["properties"]["code"]

    assert (failed["type"], failed["examples"]) == ("string", [*ErrorCode])
    assert (reason["type"], reason["examples"]) == ("string", [*ReasonCode])
