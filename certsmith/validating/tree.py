"""A judgement for people: the chain from the root down to the leaf, with the findings under each certificate.

Certificates are numbered as in the bundle, so that a wrong order is visible.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from certsmith.terminal import printable
from shared.certificates import CertificateFacts
from shared.judging import CertificateSummary, Finding, Judgement
from shared.sentences import some_of

_PLACE: Final = re.compile(
    r"certificate \d+|root|key"
)  # the object of a finding; any other finding is about the bundle as a whole
_NAMES: Final = 8  # names of a certificate to show; it may have hundreds

_Places = dict[str, list[Finding]]


def lines_of(judgement: Judgement, *, at: datetime) -> Iterator[RenderableType]:
    """Yield the lines that show *judgement*, made for the instant *at*; the verdict comes last."""
    places = _places(judgement)
    yield from _trees(judgement, places, at=at)
    for place, findings in places.items():  # the findings that are in no tree
        yield Text("\n").join([Text(place, "bold"), *(Text("  ") + _finding(each) for each in findings)])
    yield ""
    if judgement.certificates:
        yield _trust(judgement)
    yield _verdict(judgement)


def _places(judgement: Judgement) -> _Places:
    """Return all findings, grouped by their object."""
    places: _Places = {}
    for finding in (*judgement.reasons, *judgement.warnings):
        match = _PLACE.match(finding.where)
        places.setdefault(match[0] if match else "bundle", []).append(finding)
    return places


def _trees(judgement: Judgement, places: _Places, *, at: datetime) -> Iterator[Tree]:
    """Yield a tree for each certificate whose issuer is not in the bundle: a valid bundle has one.

    The findings that the trees show are removed from *places*.
    """
    certificates = judgement.certificates
    nodes = [
        _node(certificate, judgement, places.pop(f"certificate {certificate.number}", ()), at=at)
        for certificate in certificates
    ]
    tops = []
    for certificate, node, parent in zip(certificates, nodes, _parents(certificates), strict=True):
        if parent is not None:
            nodes[parent].add(node)
        elif certificate.is_self_signed:
            tops.append(node)
        else:
            tops.append(_absent_issuer(certificate, judgement, places))
            tops[-1].add(node)
    yield from tops


def _parents(certificates: Sequence[CertificateSummary]) -> list[int | None]:
    """Return for each of *certificates* the index of its issuer by name: the next one if possible, else any other."""
    parents: list[int | None] = [None] * len(certificates)
    for child, certificate in enumerate(certificates):
        later_first = [*range(child + 1, len(certificates)), *range(child)]
        fitting = (each for each in later_first if certificates[each].subject == certificate.issuer)
        if not certificate.is_self_signed:
            parents[child] = next((each for each in fitting if child not in _line_of(each, parents)), None)
    return parents


def _line_of(index: int | None, parents: Sequence[int | None]) -> Iterator[int]:
    """Yield *index* and the indices of all issuers above it."""
    while index is not None:
        yield index
        index = parents[index]


def _absent_issuer(certificate: CertificateSummary, judgement: Judgement, places: _Places) -> Tree:
    if judgement.trust_anchor != certificate.issuer:
        return Tree(Text.assemble(printable(certificate.issuer), ("  not in the bundle", "dim")))
    anchor = Text.assemble((printable(certificate.issuer), "bold"), ("  a trusted root, not in the bundle", "dim"))
    return Tree(Text("\n").join([anchor, *(_finding(each) for each in places.pop("root", ()))]))


def _node(certificate: CertificateSummary, judgement: Judgement, findings: Sequence[Finding], *, at: datetime) -> Tree:
    """Return the tree node of *certificate*: up to four lines about it, then its findings."""
    root = ("  root", "dim") if certificate.is_self_signed else ""
    lines = [
        Text.assemble((f"certificate {certificate.number}", "bold"), f"  {printable(certificate.subject)}", root),
        Text(f"{certificate.key}, {_validity(certificate, at)}", "dim"),
    ]
    if certificate.number == 1 and judgement.facts is not None:
        lines += _leaf(judgement.facts)
    return Tree(Text("\n").join([*lines, *(_finding(each) for each in findings)]))


def _leaf(facts: CertificateFacts) -> Iterator[Text]:
    yield Text(f"for {printable(some_of(facts.names, most=_NAMES, none='no host name'))}")
    yield Text(f"serial number {facts.serial_number}, SHA-256 {facts.fingerprint.hex()}", "dim")


def _validity(certificate: CertificateSummary, at: datetime) -> str:
    period = f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"
    if at < certificate.not_before:
        return f"{period}, not yet valid"
    if at > certificate.not_after:
        return f"{period}, expired {_days((at - certificate.not_after).days)} ago"
    return f"{period}, {_days((certificate.not_after - at).days)} left"


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _finding(finding: Finding) -> Text:
    kind, style = ("warning", "yellow") if finding.rule.is_warning else ("error", "red")
    return Text.assemble((f"{kind}[{finding.code}]", style), f": {printable(finding.message)}")


def _trust(judgement: Judgement) -> Text:
    leads = "leads to no known root"
    if judgement.trust_anchor is not None:
        leads = f"leads to {printable(judgement.trust_anchor)}"
    return Text(f"publicly trusted: {'yes' if judgement.publicly_trusted else 'no'}, {leads}")


def _verdict(judgement: Judgement) -> Text:
    warnings = _counted(len(judgement.warnings), "warning")
    if judgement.is_accepted:
        return Text.assemble(("accepted", "bold green"), f", with {warnings}" if judgement.warnings else "")
    reasons = _counted(len(judgement.reasons), "error")
    return Text.assemble(("refused", "bold red"), f": {reasons}", f", {warnings}" if judgement.warnings else "")


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
