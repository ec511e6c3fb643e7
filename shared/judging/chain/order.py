"""The order of a bundle: the leaf first, then each certificate that signed the one before, a root only at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cryptography import x509

from shared.judging.certificate.reading import UNREADABLE, is_self_issued, value
from shared.judging.chain.signing import bears_name_of, signs
from shared.judging.model import Finding, Rule
from shared.judging.phrases import called, named, publication

ORDER: Final = Rule(
    code="chain_wrong_order",
    source="RFC 5246 section 7.4.2",
    summary="the leaf comes first, and each next certificate signed the one before",
)
LEAF_NOT_FIRST: Final = Rule(
    code="chain_leaf_not_first",
    source="RFC 8446 section 4.4.2",
    summary="the server's own certificate is the first of the bundle",
)
ROOT_NOT_LAST: Final = Rule(
    code="chain_root_not_last", source="product rule", summary="a root may only be the last certificate of the bundle"
)
SECOND_LEAF: Final = Rule(
    code="chain_second_leaf", source="product rule", summary="the bundle has one server's certificate, not several"
)
STRANGER: Final = Rule(
    code="chain_stranger",
    source="product rule",
    summary="the bundle has no certificate that leads nowhere from its leaf",
)
BAD_SIGNATURE: Final = Rule(
    code="chain_bad_signature",
    source="RFC 5280 section 6.1.3 (a)",
    summary="who is named as the issuer did make the signature",
)
MISSING: Final = Rule(
    code="chain_incomplete",
    source="RFC 8446 section 4.4.2",
    summary="no certificate between the leaf and the root is missing",
)
RULES: Final = (ORDER, LEAF_NOT_FIRST, ROOT_NOT_LAST, SECOND_LEAF, STRANGER, BAD_SIGNATURE, MISSING)


@dataclass(frozen=True)
class Line:
    """Certificates in the order in which somebody gave them; *places* says where each stands."""

    certificates: Sequence[x509.Certificate]
    places: Sequence[str]

    @cached_property
    def true(self) -> list[int]:
        """The indexes of the certificates that lead upwards from the first, each having signed the one before.

        Where several signed one, the next in the bundle is taken.
        """
        found = [0]
        while (issuer := self._issuer_of(found[-1], found)) is not None:
            found.append(issuer)
        return found

    @cached_property
    def is_in_order(self) -> bool:
        """Whether the line is as it was given, with nothing left out."""
        return self.true == list(range(len(self.certificates)))

    def called(self, index: int) -> str:
        """Return how the certificate at *index* is called."""
        return called(self.certificates[index], self.places[index])

    def _issuer_of(self, index: int, found: list[int]) -> int | None:
        subject = self.certificates[index]
        count = len(self.certificates)
        others = [i for i in (*range(index + 1, count), *range(index)) if i not in found]
        return next((i for i in others if signs(self.certificates[i], subject)), None)


def examine(line: Line, *, reaches_root: bool) -> list[Finding]:
    """Return what is wrong with the order of *line*; nothing when each signed the one before and a root is last.

    *reaches_root* says that the true line ends under a root that is known, so nothing can be missing.
    """
    if line.is_in_order:
        return list(_roots_in_between(line))
    leaf = next((i for i, other in enumerate(line.certificates) if not _is_authority(other)), 0)
    if leaf == 0:
        return list(_disorder(line, reaches_root=reaches_root))
    text = (
        f"{line.called(0)} is an authority's certificate, and {line.called(leaf)} is a server's; the server's comes"
        " first, then who signed it, and so on up to the root, which may be left out"
    )
    return [LEAF_NOT_FIRST.found(text, where=line.places[0])]


def _roots_in_between(line: Line) -> Iterator[Finding]:
    for index, certificate in enumerate(line.certificates[:-1]):
        if is_self_issued(certificate) and signs(certificate, certificate):
            text = f"{line.called(index)} is a root; remove what comes after it, nobody needs more to reach that root"
            yield ROOT_NOT_LAST.found(text, where=line.places[index])


def _disorder(line: Line, *, reaches_root: bool) -> Iterator[Finding]:
    if line.true != sorted(line.true):
        yield _misplaced(line)
    left = [index for index in range(1, len(line.certificates)) if index not in line.true]
    for index in left:
        if not any(signs(line.certificates[index], line.certificates[other]) for other in left if other < index):
            yield _left_over(line, index, reaches_root=reaches_root)


def _misplaced(line: Line) -> Finding:
    wrong = next(
        i for i, (is_at, belongs) in enumerate(zip(sorted(line.true), line.true, strict=True)) if is_at != belongs
    )
    is_at, belongs = sorted(line.true)[wrong], line.true[wrong]
    numbers = ", ".join(_number(line.places[index]) for index in line.true)
    moved = sum(a != b for a, b in zip(sorted(line.true), line.true, strict=True))
    guess = (
        f"it looks as if {_number(line.places[is_at])} and {_number(line.places[belongs])} were swapped"
        if moved == 2  # noqa: PLR2004 - a swap
        else f"in the right order they are {numbers}"
    )
    text = (
        f"{line.called(is_at)} did not sign {line.called(line.true[wrong - 1])}, {line.called(belongs)} did; each"
        f" certificate must be followed by the one that signed it, and {guess}"
    )
    return ORDER.found(text, where=line.places[is_at])


def _left_over(line: Line, index: int, *, reaches_root: bool) -> Finding:
    """Return what to do about the certificate at *index*, which is not on the way from the leaf upwards."""
    certificate, place, name = line.certificates[index], line.places[index], line.called(index)
    signed = next((step for step, other in enumerate(line.true) if signs(certificate, line.certificates[other])), None)
    if not _is_authority(certificate):
        text = (
            f"{name} is another server's certificate; a bundle is for one server, so remove it (or give it in a bundle"
            " of its own, with its own key)"
        )
        return SECOND_LEAF.found(text, where=place)
    if signed is not None:
        text = (
            f"{name} signed {_number(line.places[line.true[signed]])} too, but the bundle goes on with"
            f" {line.called(line.true[signed + 1])}; one way to a root is enough, so remove it"
        )
        return STRANGER.found(text, where=place)
    if reaches_root or is_self_issued(line.certificates[line.true[-1]]):
        text = (
            f"{name} signed neither {line.called(index - 1)} nor another one on the way from the leaf to its root;"
            " remove it"
        )
        return STRANGER.found(text, where=place)
    return _instead_of_issuer(line, index)


def _instead_of_issuer(line: Line, index: int) -> Finding:
    """Return what is wrong with the certificate at *index*, which stands where an issuer belongs."""
    certificate, place, name = line.certificates[index], line.places[index], line.called(index)
    last = line.true[-1]
    end = line.certificates[last]
    if bears_name_of(certificate, end):
        text = (
            f"{name} has the name of who issued {line.called(last)}, but its key did not make that signature: either"
            f" it is another authority's under the same name, or {_number(line.places[last])} was altered; get both"
            " anew from where they were issued"
        )
        return BAD_SIGNATURE.found(text, where=place)
    if end.issuer == certificate.subject:
        text = (
            f"{name} has its name written in another way than {line.called(last)} names its issuer, and clients compare"
            " byte for byte; ask the authority for the certificate that belongs to this chain"
        )
        return BAD_SIGNATURE.found(text, where=place)
    if certificate.issuer == end.issuer and not is_self_issued(certificate):
        text = f"{name} did not sign {line.called(last)}, and was issued by the same as that; remove it"
        return STRANGER.found(text, where=place)
    if is_self_issued(certificate) and last > 0:
        text = (
            f"{name} is a root, but not this chain's: {line.called(last)} was issued by {named(end.issuer)}. Put that"
            " one in its place, or leave it out, as a root may be"
        )
        return STRANGER.found(text, where=place)
    text = (
        f"{name} did not sign {line.called(last)}; that was {named(end.issuer)}, whose certificate is missing. Put it"
        f" in between{publication(end)}, or remove {_number(place)} if it does not belong here"
    )
    return MISSING.found(text, where=place)


def _number(place: str) -> str:
    return place.partition(" (")[0]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = value(certificate, x509.BasicConstraints)
    except UNREADABLE:
        return False
    return constraints is not None and constraints.ca
