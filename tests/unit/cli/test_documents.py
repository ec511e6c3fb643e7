"""The pages that tell of the command line are about the one that there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from shared.cli.exits import ExitCode
from shared.store.dead_letters import DeadLetter
from shared.store.views.backlog import OrderFigures
from shared.store.views.model import CertificateView, DeploymentView, HostedDomain, OrderView, UploadedCertificate
from tests.unit.cli.test_help import ALL

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "command-line.md").read_text()


@pytest.mark.parametrize("path", ALL)
def test_the_page_names_every_command(path: str) -> None:
    group, _, last = path.rpartition(" ")

    assert re.search(rf"`{path}\b", PAGE) or re.search(rf"`{group} [a-z|\\]*\b{last}\b", PAGE)


@pytest.mark.parametrize("code", ExitCode)
def test_the_page_names_every_exit_code(code: ExitCode) -> None:
    assert f"\n| {int(code)} | " in PAGE


@pytest.mark.parametrize(
    "shape",
    [HostedDomain, CertificateView, OrderView, DeploymentView, UploadedCertificate, OrderFigures, DeadLetter],
)
def test_the_page_names_every_field_of_what_is_shown(shape: type) -> None:
    missing = [field.name for field in fields(shape) if f"`{field.name}`" not in PAGE]

    assert missing == []


PAGES = sorted(str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    file = ROOT / page
    targets = re.findall(r"\]\(([^)#:]+)\)", file.read_text())

    assert [target for target in targets if not (file.parent / target).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md", "docs/operations.md"])
def test_pages_call_commands_that_exist(page: str) -> None:
    known = {" ".join(path.split()[1:]) for path in ALL}
    groups = {path.rpartition(" ")[0] for path in known} | {""}
    called = re.findall(
        r"(?:`|^|&& |\n)certsmith ((?:[a-z]+(?:-[a-z]+)*)(?: [a-z]+(?:-[a-z]+)*)?)", (ROOT / page).read_text()
    )

    unknown = [words for words in called if words not in known and words.split()[0] not in known | groups]
    assert unknown == []
