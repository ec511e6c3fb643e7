"""Judge the certificates of a bundle together: their order, and the path from the leaf to a root.

The bundle must be in order, each certificate signed by the next. Every leading part of it that ends under a known root
is a path that clients may validate. One path without a flaw is enough, because certificates after it only serve other
clients. The known roots are those of *trust* if it is given, else the public ones. Without *trust*, a bundle that leads
to no public root is treated as a private authority's, and its last certificate serves as the root.
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
from shared.judging.chain.order import MISSING, GivenChain
from shared.judging.chain.signing import is_root, signs
from shared.judging.model import Finding, Rule
from shared.judging.phrases import listed, named, publication, shown
from shared.names import Name

UNTRUSTED: Final = Rule(
    code="chain_untrusted",
    source="RFC 5280 section 6.1",
    summary="the chain leads to one of the given roots",
)
INVALID: Final = Rule(
    code="chain_invalid",
    source="RFC 5280 section 6.1",
    summary="cryptography's path validator accepts the chain: a last check for anything that no other rule covers",
)
RULES: Final = (
    *(pair.authority for pair in profile.RULE_PAIRS),
    *order.RULES,
    *authorities.RULES,
    UNTRUSTED,
    INVALID,
    *warnings.RULES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """The findings about a chain, and the root that it leads to."""

    findings: tuple[Finding, ...]
    publicly_trusted: bool = False
    """Whether the chain leads to a root that browsers trust, without a flaw."""
    trust_anchor: str | None = None
    """The subject of the root: a given one, a public one, or the bundle's own last certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExaminedPath:
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
) -> ChainResult:
    """Return the result for *certificates*, leaf first, whose names are readable; *places* are their locations.

    The leaf's own content is judged by `leaf.examine`; here the leaf is only the lower end of a path. With *trust*, the
    chain must lead to one of these roots.
    """
    chain = GivenChain(certificates, places)
    damaged = [_profile(chain, index, at) for index in chain.upward if not profile.is_readable(certificates[index])]
    if damaged:
        found = order.examine(chain, reaches_root=False)
        return ChainResult(findings=(*found, *(finding for findings in damaged for finding in findings)))
    known = roots.public() if trust is None else roots.index(trust)
    examined = list(_examined_paths(chain, known, at=at, domain=domain))
    found = order.examine(chain, reaches_root=bool(examined))
    if not examined:
        return _without_root(chain, found, at=at, domain=domain, given=None if trust is None else known)
    best = min(examined, key=lambda one: one.reasons)
    is_public = not found and not best.reasons and (trust is None or _leads_to_public_root(chain, at=at, domain=domain))
    return ChainResult(
        findings=(
            *found,
            *best.findings,
            *warnings.examine(chain, best.path, at=at, is_whole=not found, is_public=is_public),
        ),
        publicly_trusted=is_public,
        trust_anchor=_whole_name(best.path.certificates[-1]),
    )


def _paths(chain: GivenChain, known: roots.Index) -> Iterator[Path]:
    """Yield each leading part of *chain* that ends with one of the *known* roots or under one, including that root."""
    certificates, places = _upward(chain)
    for end, certificate in enumerate(certificates, start=1):
        if certificate in known.get(certificate.subject.public_bytes(), ()):
            yield Path(certificates=certificates[:end], places=places[:end], is_anchored=True)
        for root in known.get(certificate.issuer.public_bytes(), ()):
            if root != certificate and signs(root, certificate):
                is_next = end < len(certificates) and certificates[end] == root
                place = places[end] if is_next else f"root ({named(root.subject)})"
                yield Path(certificates=[*certificates[:end], root], places=[*places[:end], place], is_anchored=True)


def _examined_paths(
    chain: GivenChain, known: roots.Index, *, at: datetime, domain: Name | None
) -> Iterator[_ExaminedPath]:
    """Yield the paths with the findings about each, up to the first path without a reason to reject it."""
    for path in _paths(chain, known):
        examined = _examine_path(path, at=at, domain=domain)
        yield examined
        if not examined.reasons:
            return


def _examine_path(path: Path, *, at: datetime, domain: Name | None) -> _ExaminedPath:
    findings: list[Finding] = []
    last = len(path.certificates) - 1
    for index in range(1, last + 1):
        certificate, where = path.certificates[index], path.places[index]
        is_anchor = index == last and (path.is_anchored or is_self_issued(certificate))
        findings += profile.examine(certificate, where=where, at=at, leaf=False, anchor=is_anchor)
    if all(profile.is_readable(certificate) for certificate in path.certificates):
        findings += authorities.examine(path)
        findings += _second_opinion(path, findings, at=at, domain=domain)
    return _ExaminedPath(path=path, findings=tuple(findings))


def _second_opinion(path: Path, findings: Sequence[Finding], *, at: datetime, domain: Name | None) -> Iterator[Finding]:
    """Yield the refusal of *path* by cryptography's verifier, if no other rule refuses the path or the leaf."""
    if _has_reason(findings):
        return
    refusal = verifier.refusal(path.certificates, at=at, domain=domain)
    if refusal is None or _has_reason(leaf.examine(path.certificates[0], where=path.places[0], at=at, domain=domain)):
        return
    text = (
        f"the chain does not pass path validation by the library cryptography, which reports: {refusal}. Get the"
        " authority's current certificates from it"
    )
    yield INVALID.found(text, where=path.places[0])


def _has_reason(findings: Sequence[Finding]) -> bool:
    return any(not finding.rule.is_warning for finding in findings)


def _without_root(
    chain: GivenChain,
    found: list[Finding],
    *,
    at: datetime,
    domain: Name | None,
    given: roots.Index | None,
) -> ChainResult:
    """Return the result for a chain that leads to none of the *given* roots, or without them to no public root."""
    certificates, places = _upward(chain)
    examined = _examine_path(Path(certificates=certificates, places=places, is_anchored=False), at=at, domain=domain)
    ends_itself = is_root(certificates[-1])
    has_gap = any(finding.rule in {MISSING, order.BAD_SIGNATURE} for finding in found)
    if given is not None and not has_gap:
        found.append(_untrusted(chain, given))
    elif not ends_itself and not has_gap and leaf.claims_to_be_public(certificates[0]):
        found.append(_incomplete(chain))
    return ChainResult(
        findings=(
            *found,
            *examined.findings,
            *warnings.examine(chain, examined.path, at=at, is_whole=not found, is_public=False),
        ),
        trust_anchor=_whole_name(certificates[-1])
        if given is None and (ends_itself or len(certificates) > 1)
        else None,
    )


def _untrusted(chain: GivenChain, given: roots.Index) -> Finding:
    last = chain.upward[-1]
    end, where = chain.certificates[last], chain.places[last]
    names = [named(namesakes[0].subject) for namesakes in given.values()]
    those = f"the given roots ({listed(names, most=3)})"
    if is_root(end):
        text = f"{chain.called(last)} is a root, but none of {those}; add it to those roots, or provide another chain"
        return UNTRUSTED.found(text, where=where)
    if end.issuer.public_bytes() in given:
        text = (
            f"{chain.called(last)} names {named(end.issuer)} as its issuer, but the given root of that name did not"
            " sign it; get the current certificates from that authority"
        )
        return UNTRUSTED.found(text, where=where)
    text = (
        f"the chain ends with {chain.called(last)}, issued by {named(end.issuer)}, which is none of {those}; add the"
        f" certificate of that issuer to the end of the bundle{publication(end)}"
    )
    return MISSING.found(text, where=where)


def _incomplete(chain: GivenChain) -> Finding:
    last = chain.upward[-1]
    end = chain.certificates[last]
    text = (
        f"the chain ends with {chain.called(last)}, issued by {named(end.issuer)}, which is not a public root; add the"
        f" certificate of that issuer to the end of the bundle{publication(end)}, or for a private authority all"
        " certificates up to its root"
    )
    return MISSING.found(text, where=chain.places[last])


def _leads_to_public_root(chain: GivenChain, *, at: datetime, domain: Name | None) -> bool:
    return any(not examined.reasons for examined in _examined_paths(chain, roots.public(), at=at, domain=domain))


def _profile(chain: GivenChain, index: int, at: datetime) -> list[Finding]:
    if index == 0:
        return []
    return profile.examine(chain.certificates[index], where=chain.places[index], at=at, leaf=False)


def _upward(chain: GivenChain) -> tuple[list[x509.Certificate], list[str]]:
    return [chain.certificates[index] for index in chain.upward], [chain.places[index] for index in chain.upward]


def _whole_name(certificate: x509.Certificate) -> str:
    return shown(certificate.subject.rfc4514_string())
