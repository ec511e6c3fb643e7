"""The page docs/validation.md matches the rules, and the rules are consistent with each other."""

import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Final

import shared.judging
from shared.judging.catalogue import RULES
from shared.judging.key.weakness import CHECKS
from shared.judging.model import Rule
from shared.judging.pem.pem_rules import PemRules

_ROOT: Final = Path(__file__).parents[3]
_PAGE: Final = (_ROOT / "docs/validation.md").read_text()
_ROW: Final = re.compile(
    r"^\| `(?P<code>\w+)` \| (?P<summary>.+) \| (?P<source>.+) \| (?P<remedy>.+) \|$", re.MULTILINE
)
# The source of a rule: a section of a published document, or "product rule".
_SOURCE: Final = re.compile(r"RFC \d+|CABF BR section [\d.]+|X\.690|NIST SP 800-57|BSI TR-02102|SEC 1|product rule")


def rows(text: str) -> list[re.Match[str]]:
    return list(_ROW.finditer(text))


def test_every_rule_is_on_the_page_and_no_other() -> None:
    listed = [(row["code"], row["summary"], row["source"]) for row in rows(_PAGE)]

    assert sorted(listed) == sorted((rule.code, rule.summary, rule.source) for rule in RULES)


def test_warnings_have_their_own_section_on_the_page() -> None:
    section = _PAGE.partition("\n### Warnings\n")[2].partition("\n## ")[0]

    assert {row["code"] for row in rows(section)} == {rule.code for rule in RULES if rule.is_warning}


def test_the_page_has_a_remedy_for_every_rule() -> None:
    assert [row["code"] for row in rows(_PAGE) if len(row["remedy"].split()) < 2] == []


def test_the_checks_for_weak_keys_are_on_the_page() -> None:
    section = _PAGE.partition("\n## Weak keys\n")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(CHECKS)


def test_codes_are_unique_and_in_snake_case() -> None:
    codes = Counter(rule.code for rule in RULES)

    assert [code for code, count in codes.items() if count > 1] == []
    assert [code for code in codes if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code)] == []


def test_every_rule_has_a_source() -> None:
    assert [rule.code for rule in RULES if not _SOURCE.match(rule.source)] == []


def test_every_summary_fits_a_row_of_the_table() -> None:
    assert [rule.code for rule in RULES if len(rule.summary) > 110 or "|" in rule.summary] == []


def test_the_catalogue_has_every_rule() -> None:
    """Every module constant that is a Rule or contains Rules is in the catalogue."""
    known = {rule.code for rule in RULES}
    folder = Path(shared.judging.__file__).parent
    names = [".".join(path.relative_to(folder).with_suffix("").parts) for path in folder.rglob("[a-z]*.py")]
    modules = [import_module(f"shared.judging.{name}") for name in names]
    held = [value for module in modules for value in vars(module).values()]

    found = {value.code for value in held if isinstance(value, Rule)}
    texts = [
        value for value in held if isinstance(value, PemRules) and value.noun != "file"
    ]  # a file of roots is not an upload
    found |= {rule.code for text in texts for rule in text.by_flaw.values()}

    assert found - known == set()
