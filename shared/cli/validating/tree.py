"""A judgement for people: who signed whom, from the root down to the leaf, and under each what is wrong with it.

Certificates keep the numbers that they have in the bundle, so that a wrong order shows.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from shared.certificates import CertificateFacts
from shared.cli.terminal import printable
from shared.judging import Finding, Judgement, Link

_CERTIFICATE: Final = re.compile(r"certificate (\d{1,3})\b")  # where a finding is
_NAMES: Final = 8  # of a certificate are shown; it may have hundreds


def lines_of(judgement: Judgement, *, at: datetime) -> Iterator[RenderableType]:
    """Give what people read of *judgement*, which is for the instant *at*; the verdict comes last."""
    of_links, of_places = _sorted(judgement)
    yield from _trees(judgement, [_node(link, judgement, of_links[link.number], at=at) for link in judgement.links])
    for place, findings in of_places.items():
        yield Text("\n").join([Text(printable(place), "bold"), *(Text("  ") + _finding(each) for each in findings)])
    yield ""
    yield _trust(judgement)
    yield _verdict(judgement)


def _sorted(judgement: Judgement) -> tuple[dict[int, list[Finding]], dict[str, list[Finding]]]:
    """Return all findings by the number of the certificate that they are about, and the others by their places."""
    of_links: dict[int, list[Finding]] = {link.number: [] for link in judgement.links}
    of_places: dict[str, list[Finding]] = {}
    for finding in (*judgement.reasons, *judgement.warnings):
        match = _CERTIFICATE.match(finding.where)
        if match and int(match[1]) in of_links:
            of_links[int(match[1])].append(finding)
        else:
            of_places.setdefault(finding.where, []).append(finding)
    return of_links, of_places


def _trees(judgement: Judgement, nodes: Sequence[Tree]) -> Iterator[Tree]:
    """Give a tree for each certificate whose issuer is not in the bundle: one, if all is well."""
    parents = _parents(judgement.links)
    tops = []
    for link, node, parent in zip(judgement.links, nodes, parents, strict=True):
        if parent is not None:
            nodes[parent].add(node)
        elif link.is_self_signed:
            tops.append(node)
        else:
            tops.append(_absent_issuer(link, judgement))
            tops[-1].add(node)
    yield from tops


def _parents(links: Sequence[Link]) -> list[int | None]:
    """Return for each of *links* the index of its issuer, by name: the next one if it fits, else any other."""
    parents: list[int | None] = [None] * len(links)
    for child, link in enumerate(links):
        later_first = [*range(child + 1, len(links)), *range(child)]
        fitting = (each for each in later_first if links[each].subject == link.issuer)
        if not link.is_self_signed:
            parents[child] = next((each for each in fitting if child not in _line_of(each, parents)), None)
    return parents


def _line_of(index: int | None, parents: Sequence[int | None]) -> Iterator[int]:
    """Give *index* and all above it."""
    while index is not None:
        yield index
        index = parents[index]


def _absent_issuer(link: Link, judgement: Judgement) -> Tree:
    is_known = judgement.trust_anchor == link.issuer
    told = "a trusted root, not in the bundle" if is_known else "not in the bundle"
    return Tree(Text.assemble((printable(link.issuer), "bold" if is_known else ""), (f"  {told}", "dim")))


def _node(link: Link, judgement: Judgement, findings: Sequence[Finding], *, at: datetime) -> Tree:
    """Return *link* in three lines at most, and what was found about it."""
    root = ("  root", "dim") if link.is_self_signed else ""
    lines = [
        Text.assemble((f"certificate {link.number}", "bold"), f"  {printable(link.subject)}", root),
        Text(f"{link.key}, {_validity(link, at)}", "dim"),
    ]
    if link.number == 1 and judgement.facts is not None:
        lines += _leaf(judgement.facts)
    return Tree(Text("\n").join([*lines, *(_finding(each) for each in findings)]))


def _leaf(facts: CertificateFacts) -> Iterator[Text]:
    more = f" and {len(facts.names) - _NAMES} more" if len(facts.names) > _NAMES else ""
    yield Text(f"for {printable(', '.join(facts.names[:_NAMES])) or 'no host name'}{more}")
    yield Text(f"serial number {facts.serial_number}, SHA-256 {facts.fingerprint.hex()}", "dim")


def _validity(link: Link, at: datetime) -> str:
    period = f"{link.not_before:%Y-%m-%d} to {link.not_after:%Y-%m-%d}"
    if at < link.not_before:
        return f"{period}, not yet valid"
    if at > link.not_after:
        return f"{period}, expired {_days((at - link.not_after).days)} ago"
    return f"{period}, {_days((link.not_after - at).days)} left"


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _finding(finding: Finding) -> Text:
    kind, style = ("warning", "yellow") if finding.rule.is_warning else ("error", "red")
    return Text.assemble((f"{kind}[{finding.code}]", style), f": {printable(finding.message)}")


def _trust(judgement: Judgement) -> Text:
    leads = "leads to no root that is known here"
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
