"""The certificates after the leaf: their order, and the path from the leaf to a root.

The way of judging: the bundle must stand in order, each certificate signed by the next. Of it, every start that ends
under a known root is a path that a client may take; one without a flaw is enough, for what comes after it is only there
for other clients. With *trust* the known roots are those given; else they are the public ones, and a bundle that does
not lead to one is a private authority's, whose own end stands for its root.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from shared.judging.certificate import leaf, profile, warnings
from shared.judging.certificate.reading import is_self_issued
from shared.judging.chain import authorities, order, roots, verifier
from shared.judging.chain.authorities import Path
from shared.judging.chain.order import MISSING, Line
from shared.judging.chain.signing import is_root, signs
from shared.judging.model import Finding, Rule
from shared.judging.phrases import listed, named, publication, shown
from shared.names import Name

UNTRUSTED: Final = Rule(
    code="chain_untrusted",
    source="RFC 5280 section 6.1",
    summary="the chain leads to one of the roots that were given",
)
INVALID: Final = Rule(
    code="chain_invalid",
    source="RFC 5280 section 6.1",
    summary="a path validator takes the chain: the last resort, for what no other rule says",
)
RULES: Final = (
    *(pair.authority for pair in profile.PAIRS),
    *order.RULES,
    *authorities.RULES,
    UNTRUSTED,
    INVALID,
    *warnings.RULES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainVerdict:
    """What was found about a chain, and where it leads."""

    findings: tuple[Finding, ...]
    publicly_trusted: bool = False
    """Whether it leads to a root that browsers trust, without a flaw."""
    trust_anchor: str | None = None
    """The subject of the root to which it leads: a given one, a public one or the bundle's own last certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    path: Path
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> int:
        return sum(not finding.rule.is_warning for finding in self.findings)


def examine(
    certificates: Sequence[x509.Certificate],
    places: Sequence[str],
    *,
    at: datetime,
    domain: Name | None,
    trust: Sequence[x509.Certificate] | None,
) -> ChainVerdict:
    """Return what there is to say of *certificates*, leaf first, of which *places* says where each stands.

    Their names can be read. What the leaf says about itself is for `leaf.examine` to judge; here it is only the end of
    a path. With *trust*, the chain must lead to one of these roots.
    """
    line = Line(certificates, places)
    damaged = [_profile(line, index, at) for index in line.true if not profile.is_readable(certificates[index])]
    if damaged:
        found = order.examine(line, reaches_root=False)
        return ChainVerdict(findings=(*found, *(finding for findings in damaged for finding in findings)))
    known = roots.public() if trust is None else roots.index(trust)
    tried = list(_tries(line, known, at=at, domain=domain))
    found = order.examine(line, reaches_root=bool(tried))
    if not tried:
        return _without_root(line, found, at=at, domain=domain, given=None if trust is None else known)
    best = min(tried, key=lambda one: one.reasons)
    is_public = not found and not best.reasons and (trust is None or _leads_to_public_root(line, at=at, domain=domain))
    return ChainVerdict(
        findings=(
            *found,
            *best.findings,
            *warnings.examine(line, best.path, at=at, is_whole=not found, is_public=is_public),
        ),
        publicly_trusted=is_public,
        trust_anchor=_whole_name(best.path.certificates[-1]),
    )


def _paths(line: Line, known: roots.Index) -> Iterator[Path]:
    """Yield each start of *line* that ends under one of the *known* roots, or is one itself, with that root."""
    certificates, places = _in_true_order(line)
    for end, certificate in enumerate(certificates, start=1):
        if certificate in known.get(certificate.subject.public_bytes(), ()):
            yield Path(certificates=certificates[:end], places=places[:end], is_anchored=True)
        for root in known.get(certificate.issuer.public_bytes(), ()):
            if root != certificate and signs(root, certificate):
                is_next = end < len(certificates) and certificates[end] == root
                place = places[end] if is_next else f"root ({named(root.subject)})"
                yield Path(certificates=[*certificates[:end], root], places=[*places[:end], place], is_anchored=True)


def _tries(line: Line, known: roots.Index, *, at: datetime, domain: Name | None) -> Iterator[_Tried]:
    """Yield the paths with what speaks against each, up to the first that is good."""
    for path in _paths(line, known):
        tried = _try(path, at=at, domain=domain)
        yield tried
        if not tried.reasons:
            return


def _try(path: Path, *, at: datetime, domain: Name | None) -> _Tried:
    findings: list[Finding] = []
    last = len(path.certificates) - 1
    for index in range(1, last + 1):
        certificate, where = path.certificates[index], path.places[index]
        is_anchor = index == last and (path.is_anchored or is_self_issued(certificate))
        findings += profile.examine(certificate, where=where, at=at, leaf=False, anchor=is_anchor)
    if all(profile.is_readable(certificate) for certificate in path.certificates):
        findings += authorities.examine(path)
        findings += _second_opinion(path, findings, at=at, domain=domain)
    return _Tried(path=path, findings=tuple(findings))


def _second_opinion(path: Path, findings: Sequence[Finding], *, at: datetime, domain: Name | None) -> Iterator[Finding]:
    """Yield why cryptography's verifier refuses *path*, when nothing else speaks against it."""
    if _speak_against(findings):
        return
    refusal = verifier.refusal(path.certificates, at=at, domain=domain)
    if refusal is None or _speak_against(
        leaf.examine(path.certificates[0], where=path.places[0], at=at, domain=domain)
    ):
        return
    text = f"the chain does not pass path validation, whose words are: {refusal}"
    yield INVALID.found(text, where=path.places[0])


def _speak_against(findings: Sequence[Finding]) -> bool:
    return any(not finding.rule.is_warning for finding in findings)


def _without_root(
    line: Line,
    found: list[Finding],
    *,
    at: datetime,
    domain: Name | None,
    given: roots.Index | None,
) -> ChainVerdict:
    """Return the verdict on a chain that leads to none of the *given* roots, or without them to no public one."""
    certificates, places = _in_true_order(line)
    tried = _try(Path(certificates=certificates, places=places, is_anchored=False), at=at, domain=domain)
    ends_itself = is_root(certificates[-1])
    has_gap = any(finding.rule in {MISSING, order.BAD_SIGNATURE} for finding in found)
    if given is not None and not has_gap:
        found.append(_untrusted(line, given))
    elif not ends_itself and not has_gap and leaf.claims_to_be_public(certificates[0]):
        found.append(_incomplete(line))
    return ChainVerdict(
        findings=(
            *found,
            *tried.findings,
            *warnings.examine(line, tried.path, at=at, is_whole=not found, is_public=False),
        ),
        trust_anchor=_whole_name(certificates[-1])
        if given is None and (ends_itself or len(certificates) > 1)
        else None,
    )


def _untrusted(line: Line, given: roots.Index) -> Finding:
    last = line.true[-1]
    end, where = line.certificates[last], line.places[last]
    names = [named(namesakes[0].subject) for namesakes in given.values()]
    those = f"the roots that were given ({listed(names, most=3)})"
    if is_root(end):
        text = f"{line.called(last)} is a root, but none of {those}; give the root that is meant, or another chain"
        return UNTRUSTED.found(text, where=where)
    if end.issuer.public_bytes() in given:
        text = (
            f"{line.called(last)} names {named(end.issuer)} as its issuer, but the root of that name that was given"
            " did not sign it"
        )
        return UNTRUSTED.found(text, where=where)
    text = (
        f"the chain ends with {line.called(last)}, issued by {named(end.issuer)}, which is none of {those}; add the"
        f" certificate of that issuer to the end of the bundle{publication(end)}"
    )
    return MISSING.found(text, where=where)


def _incomplete(line: Line) -> Finding:
    last = line.true[-1]
    end = line.certificates[last]
    text = (
        f"the chain ends with {line.called(last)}, issued by {named(end.issuer)}, which is no public root; add the"
        f" certificate of that issuer to the end of the bundle{publication(end)}, or all up to the root of a private"
        " authority"
    )
    return MISSING.found(text, where=line.places[last])


def _leads_to_public_root(line: Line, *, at: datetime, domain: Name | None) -> bool:
    return any(not tried.reasons for tried in _tries(line, roots.public(), at=at, domain=domain))


def _profile(line: Line, index: int, at: datetime) -> list[Finding]:
    if index == 0:
        return []
    return profile.examine(line.certificates[index], where=line.places[index], at=at, leaf=False)


def _in_true_order(line: Line) -> tuple[list[x509.Certificate], list[str]]:
    return [line.certificates[index] for index in line.true], [line.places[index] for index in line.true]


def _whole_name(certificate: x509.Certificate) -> str:
    return shown(certificate.subject.rfc4514_string())
