"""Warnings about a chain: things that could be better, though nothing is wrong."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from shared.judging.certificate import leaf, profile
from shared.judging.chain.authorities import Path
from shared.judging.chain.order import GivenChain
from shared.judging.chain.signing import is_root, key_flaw
from shared.judging.model import Finding, Rule
from shared.judging.phrases import dated, named, publication

ROOT_INCLUDED: Final = Rule(
    code="root_included",
    source="RFC 8446 section 4.4.2",
    summary="the bundle leaves out the root, which clients already have",
    is_warning=True,
)
UNNEEDED: Final = Rule(
    code="unneeded_certificate",
    source="product rule",
    summary="the bundle has no defective certificates beyond a known root",
    is_warning=True,
)
ISSUER_LEFT_OUT: Final = Rule(
    code="issuer_left_out",
    source="RFC 8446 section 4.4.2",
    summary="a private authority's leaf comes with its issuer's certificate, unless the issuer is a root",
    is_warning=True,
)
EXPIRES_FIRST: Final = Rule(
    code="authority_expires_first",
    source="product rule",
    summary="the authorities' certificates are valid at least as long as the leaf",
    is_warning=True,
)
NO_SCTS: Final = Rule(
    code="no_scts",
    source="RFC 6962 section 3.3",
    summary="a publicly trusted certificate contains signed certificate timestamps, which browsers require",
    is_warning=True,
)
RULES: Final = (ROOT_INCLUDED, UNNEEDED, ISSUER_LEFT_OUT, EXPIRES_FIRST, NO_SCTS)


def examine(chain: GivenChain, path: Path, *, at: datetime, is_whole: bool, is_public: bool) -> Iterator[Finding]:
    """Yield the warnings about *chain*; *path* is the part of it that clients validate.

    *is_whole* says that no certificate of the chain is missing, superfluous or misplaced.
    """
    if is_whole:
        yield from _at_the_end(chain, path)
    yield from _behind(chain, path, at)
    yield from _expiring(path, at)
    if is_public and not leaf.has_timestamps(chain.certificates[0]):
        text = (
            f"{chain.called(0)} has no signed certificate timestamps, so Chrome and Safari refuse it; have it reissued"
            " by an authority that logs its certificates"
        )
        yield NO_SCTS.found(text, where=chain.places[0])


def _at_the_end(chain: GivenChain, path: Path) -> Iterator[Finding]:
    last = len(chain.certificates) - 1
    end, where = chain.certificates[last], chain.places[last]
    if last > 0 and is_root(end):
        text = (
            f"{chain.called(last)} is the root, which clients already have; remove it to save bytes in each handshake"
        )
        yield ROOT_INCLUDED.found(text, where=where)
    if last == 0 and not path.is_anchored and not is_root(end):
        text = (
            f"{chain.called(last)} comes without the certificate of its issuer, {named(end.issuer)}. Unless that is a"
            f" root that visitors have, add it{publication(end)}, and every certificate up to such a root"
        )
        yield ISSUER_LEFT_OUT.found(text, where=where)


def _behind(chain: GivenChain, path: Path, at: datetime) -> Iterator[Finding]:
    """Yield the defects of the certificates beyond the end of *path*, which needs none of them."""
    for index in chain.upward:
        certificate = chain.certificates[index]
        if index == 0 or certificate in path.certificates:
            continue
        flaws = profile.examine(certificate, where=chain.places[index], at=at, leaf=False)
        flaw = next((finding.message for finding in flaws), key_flaw(certificate))
        if flaw is not None:
            root = named(path.certificates[-1].subject)
            text = f"{chain.called(index)} is not needed to reach {root}, so remove it rather than fix it: {flaw}"
            yield UNNEEDED.found(text, where=chain.places[index])


def _expiring(path: Path, at: datetime) -> Iterator[Finding]:
    own = path.certificates[0].not_valid_after_utc
    for index, certificate in enumerate(path.certificates):
        end = certificate.not_valid_after_utc
        if end < own and not profile.has_ended(certificate, at):
            text = (
                f"{path.called(index)} expires on {dated(end)}, before {path.called(0)} does ({dated(own)}); clients"
                " refuse the chain from then on, so replace the bundle before that date"
            )
            yield EXPIRES_FIRST.found(text, where=path.places[index])
