"""Every name and path in backticks on the pages that explain the code is there in the code."""

import functools
import re
from collections.abc import Iterator

import pytest

from certsmith.settings import MigrationSettings
from dev.order_states import FENCE, PAGE, diagram
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from services.terminator.settings import TerminatorSettings
from services.validator.settings import ValidatorSettings
from shared.messaging.broker.topology import all_queues
from shared.settings import environment_names
from tests.unit.maps.source import ROOT, constants, names, tables

PAGES = ("docs/issuance.md", "docs/architecture.md", "docs/terminator.md")
SETTINGS = (AuthoritySettings, ProvisionerSettings, ValidatorSettings, TerminatorSettings, MigrationSettings)

# Words in backticks that are not names of this project: programs, protocols and their terms.
FOREIGN = frozenset({
    "0.0.0.0",
    "Location",
    "Retry-After",
    "kill -9",
    "repr",
    "sleep",
    "tcp://",
    "tls://",
})  # fmt: skip


def in_backticks(page: str) -> Iterator[str]:
    """Yield what *page* has in backticks, outside its code blocks."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", text)


@functools.cache
def known() -> frozenset[str]:
    """Return all names, with or without the part before their last dots, and all tables, columns and settings."""
    names_and_ends = {
        ".".join(parts[start:]) for parts in (name.split(".") for name in names()) for start in range(len(parts))
    }
    return frozenset().union(
        names_and_ends,
        constants(),
        all_queues(),
        tables(),
        (table.partition(".")[0] for table in tables()),
        *tables().values(),
        *(environment_names(cls, field, info) for cls in SETTINGS for field, info in cls.model_fields.items()),
    )


def is_there(text: str) -> bool:
    """Say whether *text* is a name, a table, a column, a queue, a setting, a literal of the code, or a path."""
    folders = (ROOT, *(ROOT / "services" / service for service in ("provisioner", "validator", "terminator")))
    return text in known() or any((folder / text).exists() for folder in folders)


@pytest.mark.parametrize("page", PAGES)
def test_everything_that_a_page_names_exists(page: str) -> None:
    commands = ("make", "certsmith")  # test_documents.py looks at these
    unknown = [
        text
        for text in in_backticks(page)
        if text not in FOREIGN and text.split()[0] not in commands and not is_there(text)
    ]

    assert unknown == []


def test_the_diagram_of_an_orders_states_is_that_of_the_table() -> None:
    (shown,) = FENCE.findall((ROOT / "docs" / PAGE).read_text())

    assert shown == diagram()
