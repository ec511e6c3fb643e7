"""The pages about the command line match its commands, exit codes and JSON."""

import re
from dataclasses import fields
from pathlib import Path
from typing import cast

import pytest

from certsmith.exits import ExitCode
from certsmith.validating.document import document_of
from shared.judging import CertificateSummary, Judgement
from shared.messaging.dead_letters import DeadLetter
from shared.registry.tenants import TenantRule
from shared.registry.views.backlog import OrderCounts
from shared.registry.views.model import (
    CertificateView,
    DeploymentView,
    HostedDomain,
    OrderView,
    StoredCertificate,
    UploadedCertificate,
    UploadRemark,
    UploadView,
    UseView,
)
from tests.builders.views import NOW
from tests.unit.certsmith.test_help import ALL

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
    [
        *(HostedDomain, CertificateView, OrderView, DeploymentView, StoredCertificate, UseView),
        *(UploadView, UploadRemark, UploadedCertificate, TenantRule, OrderCounts, DeadLetter),
    ],
)
def test_the_page_names_every_field_of_every_document(shape: type) -> None:
    missing = [field.name for field in fields(shape) if f"`{field.name}`" not in PAGE]

    assert missing == []


def test_the_page_names_every_field_of_a_judgement() -> None:
    certificate = CertificateSummary(
        number=1, subject="", issuer="", not_before=NOW, not_after=NOW, key="", is_self_signed=True
    )
    document = document_of(Judgement(reasons=(), warnings=(), certificates=(certificate,)))
    (shown_certificate,) = cast("list[dict[str, object]]", document["chain"])

    assert [name for name in (*document, *shown_certificate) if f"`{name}`" not in PAGE] == []


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
