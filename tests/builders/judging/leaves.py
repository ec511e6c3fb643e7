"""Leaves to examine, and the findings about them."""

from datetime import datetime
from typing import Any

from shared.judging.certificate import leaf
from shared.judging.model import Finding
from shared.names import Name
from tests.builders.judging.certificates import AT, Issued, authority

ROOT = authority("Root")


def examined(issued: Issued, *, at: datetime = AT, domain: str | None = None) -> list[Finding]:
    """Return the findings about the leaf *issued*."""
    wanted = None if domain is None else Name(domain)
    return leaf.examine(issued.certificate, where="certificate 1 (line 1)", at=at, domain=wanted)


def reasons(issued: Issued, **asked: Any) -> set[str]:
    """Return the codes of the reasons to reject the leaf *issued*."""
    return {finding.code for finding in examined(issued, **asked) if not finding.rule.is_warning}


def warned(issued: Issued, **asked: Any) -> set[str]:
    """Return the codes of the warnings about the leaf *issued*."""
    return {finding.code for finding in examined(issued, **asked) if finding.rule.is_warning}
