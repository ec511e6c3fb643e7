"""The order of a bundle: the leaf first, then each certificate that signed the previous one, a root only at the end."""

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
    summary="the leaf comes first, and each certificate is followed by the one that signed it",
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
    code="chain_second_leaf",
    source="product rule",
    summary="the bundle has the certificate of one server, not of several",
)
STRANGER: Final = Rule(
    code="chain_stranger",
    source="product rule",
    summary="every certificate of the bundle lies on the way from the leaf to a root",
)
BAD_SIGNATURE: Final = Rule(
    code="chain_bad_signature",
    source="RFC 5280 section 6.1.3 (a)",
    summary="the issuer that a certificate names made its signature",
)
MISSING: Final = Rule(
    code="chain_incomplete",
    source="RFC 8446 section 4.4.2",
    summary="no certificate between the leaf and the root is missing",
)
RULES: Final = (ORDER, LEAF_NOT_FIRST, ROOT_NOT_LAST, SECOND_LEAF, STRANGER, BAD_SIGNATURE, MISSING)


@dataclass(frozen=True)
class GivenChain:
    """Certificates in the order of the bundle; *places* has the location of each in the file."""

    certificates: Sequence[x509.Certificate]
    places: Sequence[str]

    @cached_property
    def upward(self) -> list[int]:
        """The indexes of the certificates that lead upwards from the first, each one the issuer of the previous.

        If several certificates signed one, the next of them in the bundle is used.
        """
        found = [0]
        while (issuer := self._issuer_of(found[-1], found)) is not None:
            found.append(issuer)
        return found

    @cached_property
    def is_in_order(self) -> bool:
        """Whether the certificates lead upwards in the order of the bundle, with none left out."""
        return self.upward == list(range(len(self.certificates)))

    def called(self, index: int) -> str:
        """Return the name by which messages call the certificate at *index*."""
        return called(self.certificates[index], self.places[index])

    def _issuer_of(self, index: int, found: list[int]) -> int | None:
        subject = self.certificates[index]
        count = len(self.certificates)
        others = [i for i in (*range(index + 1, count), *range(index)) if i not in found]
        return next((i for i in others if signs(self.certificates[i], subject)), None)


def examine(chain: GivenChain, *, reaches_root: bool) -> list[Finding]:
    """Return the findings about the order of *chain*: none if each certificate signed the previous and a root is last.

    *reaches_root* says that the certificates that lead upwards end under a known root, so none is missing.
    """
    if chain.is_in_order:
        return list(_roots_in_between(chain))
    leaf = next((i for i, other in enumerate(chain.certificates) if not _is_authority(other)), 0)
    if leaf == 0:
        return list(_disorder(chain, reaches_root=reaches_root))
    text = (
        f"{chain.called(0)} is an authority's certificate, and {chain.called(leaf)} is a server's; put the server's"
        " first, then the certificate that signed it, and so on up to the root, which may be left out"
    )
    return [LEAF_NOT_FIRST.found(text, where=chain.places[0])]


def _roots_in_between(chain: GivenChain) -> Iterator[Finding]:
    for index, certificate in enumerate(chain.certificates[:-1]):
        if is_self_issued(certificate) and signs(certificate, certificate):
            text = f"{chain.called(index)} is a root; remove the certificates after it, which no client needs"
            yield ROOT_NOT_LAST.found(text, where=chain.places[index])


def _disorder(chain: GivenChain, *, reaches_root: bool) -> Iterator[Finding]:
    if chain.upward != sorted(chain.upward):
        yield _misplaced(chain)
    left = [index for index in range(1, len(chain.certificates)) if index not in chain.upward]
    for index in left:
        if not any(signs(chain.certificates[index], chain.certificates[other]) for other in left if other < index):
            yield _left_over(chain, index, reaches_root=reaches_root)


def _misplaced(chain: GivenChain) -> Finding:
    wrong = next(
        i for i, (is_at, belongs) in enumerate(zip(sorted(chain.upward), chain.upward, strict=True)) if is_at != belongs
    )
    is_at, belongs = sorted(chain.upward)[wrong], chain.upward[wrong]
    numbers = ", ".join(_number(chain.places[index]) for index in chain.upward)
    moved = sum(a != b for a, b in zip(sorted(chain.upward), chain.upward, strict=True))
    guess = (
        f"it looks as if {_number(chain.places[is_at])} and {_number(chain.places[belongs])} were swapped"
        if moved == 2  # noqa: PLR2004 - a swap
        else f"in the right order they are {numbers}"
    )
    text = (
        f"{chain.called(belongs)} signed {chain.called(chain.upward[wrong - 1])}, not {chain.called(is_at)}; each"
        f" certificate must be followed by the one that signed it, and {guess}"
    )
    return ORDER.found(text, where=chain.places[is_at])


def _left_over(chain: GivenChain, index: int, *, reaches_root: bool) -> Finding:
    """Return the finding about the certificate at *index*, which is not on the way from the leaf upwards."""
    certificate, place, name = chain.certificates[index], chain.places[index], chain.called(index)
    signed = next(
        (step for step, other in enumerate(chain.upward) if signs(certificate, chain.certificates[other])), None
    )
    if not _is_authority(certificate):
        text = (
            f"{name} is another server's certificate; a bundle is for one server, so remove it (or provide it as a"
            " bundle of its own, with its own key)"
        )
        return SECOND_LEAF.found(text, where=place)
    if signed is not None:
        text = (
            f"{name} also signed {_number(chain.places[chain.upward[signed]])}, but the bundle continues with"
            f" {chain.called(chain.upward[signed + 1])}; one way to a root is enough, so remove it"
        )
        return STRANGER.found(text, where=place)
    if reaches_root or is_self_issued(chain.certificates[chain.upward[-1]]):
        text = (
            f"{name} signed neither {chain.called(index - 1)} nor another certificate on the way from the leaf to its"
            " root; remove it"
        )
        return STRANGER.found(text, where=place)
    return _instead_of_issuer(chain, index)


def _instead_of_issuer(chain: GivenChain, index: int) -> Finding:
    """Return the finding about the certificate at *index*, which is in the place of a missing issuer."""
    certificate, place, name = chain.certificates[index], chain.places[index], chain.called(index)
    last = chain.upward[-1]
    end = chain.certificates[last]
    if bears_name_of(certificate, end):
        text = (
            f"{name} has the name of the issuer of {chain.called(last)}, but its key did not make that signature:"
            f" either it belongs to another authority of the same name, or {_number(chain.places[last])} was altered;"
            " get both again from where they were issued"
        )
        return BAD_SIGNATURE.found(text, where=place)
    if end.issuer == certificate.subject:
        text = (
            f"{name} spells its name differently from the issuer that {chain.called(last)} names, and clients compare"
            " byte for byte; ask the authority for the certificate that belongs to this chain"
        )
        return BAD_SIGNATURE.found(text, where=place)
    if certificate.issuer == end.issuer and not is_self_issued(certificate):
        text = f"{name} did not sign {chain.called(last)}; the same authority issued both. Remove it"
        return STRANGER.found(text, where=place)
    if is_self_issued(certificate) and last > 0:
        text = (
            f"{name} is a root, but not this chain's: {chain.called(last)} was issued by {named(end.issuer)}. Replace"
            " it with that issuer's certificate, or leave it out if that issuer is a root"
        )
        return STRANGER.found(text, where=place)
    text = (
        f"{name} did not sign {chain.called(last)}; {named(end.issuer)} did, whose certificate is missing. Insert that"
        f" between the two{publication(end)}, or remove {_number(place)} if it does not belong here"
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
