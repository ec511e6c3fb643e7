"""What could be better about a chain that is not wrong."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from shared.judging.certificate import leaf, profile
from shared.judging.chain.authorities import Path
from shared.judging.chain.order import Line
from shared.judging.chain.signing import is_root, key_flaw
from shared.judging.model import Finding, Rule
from shared.judging.phrases import dated, named, publication

ROOT_INCLUDED: Final = Rule(
    code="root_included",
    source="RFC 8446 section 4.4.2",
    summary="the bundle has its root, which clients have anyway",
    is_warning=True,
)
UNNEEDED: Final = Rule(
    code="unneeded_certificate",
    source="product rule",
    summary="the bundle goes on behind a root that is known, with certificates that are no good",
    is_warning=True,
)
ISSUER_LEFT_OUT: Final = Rule(
    code="issuer_left_out",
    source="RFC 8446 section 4.4.2",
    summary="a private authority's leaf comes with who signed it, unless that is a root",
    is_warning=True,
)
EXPIRES_FIRST: Final = Rule(
    code="authority_expires_first",
    source="product rule",
    summary="the authorities' certificates are valid for as long as the leaf",
    is_warning=True,
)
NO_SCTS: Final = Rule(
    code="no_scts",
    source="RFC 6962 section 3.3",
    summary="a publicly trusted certificate has signed certificate timestamps in it, which browsers want",
    is_warning=True,
)
RULES: Final = (ROOT_INCLUDED, UNNEEDED, ISSUER_LEFT_OUT, EXPIRES_FIRST, NO_SCTS)


def examine(line: Line, path: Path, *, at: datetime, is_whole: bool, is_public: bool) -> Iterator[Finding]:
    """Yield what could be better about *line*, of which *path* is the part that counts.

    *is_whole* says that nothing is missing, too much or in the wrong place.
    """
    if is_whole:
        yield from _at_the_end(line, path)
    yield from _behind(line, path, at)
    yield from _expiring(path, at)
    if is_public and not leaf.has_timestamps(line.certificates[0]):
        text = f"{line.called(0)} has no signed certificate timestamps; Chrome and Safari do not take it without"
        yield NO_SCTS.found(text, where=line.places[0])


def _at_the_end(line: Line, path: Path) -> Iterator[Finding]:
    last = len(line.certificates) - 1
    end, where = line.certificates[last], line.places[last]
    if last > 0 and is_root(end):
        text = f"{line.called(last)} is the root; clients have it, so it costs bytes at each handshake and helps nobody"
        yield ROOT_INCLUDED.found(text, where=where)
    if last == 0 and not path.is_anchored and not is_root(end):
        text = (
            f"{line.called(last)} comes without the certificate of its issuer, {named(end.issuer)}. If that is no root"
            f" which visitors have, add it{publication(end)}, and all up to such a root"
        )
        yield ISSUER_LEFT_OUT.found(text, where=where)


def _behind(line: Line, path: Path, at: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the certificates that the bundle has beyond the end of *path*, which needs none."""
    for index in line.true:
        certificate = line.certificates[index]
        if index == 0 or certificate in path.certificates:
            continue
        flaws = profile.examine(certificate, where=line.places[index], at=at, leaf=False)
        flaw = next((finding.message for finding in flaws), key_flaw(certificate))
        if flaw is not None:
            text = f"{line.called(index)} is not needed to reach {named(path.certificates[-1].subject)}; remove it:"
            yield UNNEEDED.found(f"{text} {flaw}", where=line.places[index])


def _expiring(path: Path, at: datetime) -> Iterator[Finding]:
    own = path.certificates[0].not_valid_after_utc
    for index, certificate in enumerate(path.certificates):
        end = certificate.not_valid_after_utc
        if end < own and not profile.has_ended(certificate, at):
            text = (
                f"{path.called(index)} expires on {dated(end)}, before {path.called(0)} does ({dated(own)}); visitors"
                " are lost then, so give a new bundle before"
            )
            yield EXPIRES_FIRST.found(text, where=path.places[index])
