"""Chains to examine: a root, an intermediate and a leaf, and the findings about the chains made of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography import x509

from shared.judging.chain import chain
from shared.judging.chain.chain import ChainResult
from shared.names import Name
from tests.builders.judging.certificates import AT, Issued, authority, issue

ROOT = authority("Root")
INTER = authority("Inter", by=ROOT)
LEAF = issue(by=INTER)
FOREIGN = authority("Foreign")


def examined(
    *line: Issued | x509.Certificate,
    at: datetime = AT,
    domain: str | None = None,
    trust: Sequence[Issued | x509.Certificate] | None = None,
) -> ChainResult:
    """Return the result for the chain *line*, leaf first."""
    return chain.examine(
        [_certificate(one) for one in line],
        [f"certificate {number} (line {20 * number})" for number in range(1, len(line) + 1)],
        at=at,
        domain=None if domain is None else Name(domain),
        trust=None if trust is None else [_certificate(one) for one in trust],
    )


def _certificate(one: Issued | x509.Certificate) -> x509.Certificate:
    return one.certificate if isinstance(one, Issued) else one


def reasons(*line: Any, **asked: Any) -> list[str]:
    """Return the codes of the reasons to reject the chain *line*."""
    return [finding.code for finding in examined(*line, **asked).findings if not finding.rule.is_warning]


def warned(*line: Any, **asked: Any) -> list[str]:
    """Return the codes of the warnings about the chain *line*."""
    return [finding.code for finding in examined(*line, **asked).findings if finding.rule.is_warning]


def reason(*line: Any, **asked: Any) -> str:
    """Return the message of the only reason to reject the chain *line*."""
    (finding,) = [finding for finding in examined(*line, **asked).findings if not finding.rule.is_warning]
    return finding.message
