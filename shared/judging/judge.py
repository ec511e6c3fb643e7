"""The judgement as a whole: one check after another, all reasons collected.

What stands on something that is missing is not judged: without a readable leaf there is no match with the key, without
all certificates no chain, with any reason no trial load. So each reason is one that somebody can act on.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from cryptography import x509

from shared.certificates import CertificateFacts, UnreadableCertificateError, parse
from shared.judging.certificate import leaf as leaves
from shared.judging.certificate import reading
from shared.judging.chain import chain as chains
from shared.judging.chain.bundle import UNREADABLE, Bundle, Entry, read_bundle
from shared.judging.chain.order import LEAF_NOT_FIRST
from shared.judging.chain.signing import signs
from shared.judging.key.accepted_keys import LEAF, warnings_of
from shared.judging.key.loading import load_failure, oversize
from shared.judging.key.matching import mismatch
from shared.judging.key.private_key import Key, read_key
from shared.judging.key.weakness import private_weaknesses, weaknesses
from shared.judging.model import Finding, Judgement, Link, Rule
from shared.judging.phrases import shown
from shared.names import Name

NOT_JUDGED: Final = Rule(
    code="not_judged",
    source="product rule",
    summary="bundle and key can be judged at all",
)


def judge(
    bundle: bytes,
    key: bytes,
    *,
    at: datetime,
    domain: Name | None = None,
    trust: Sequence[x509.Certificate] | None = None,
) -> Judgement:
    """Return what there is to say of *bundle* and *key*, PEM both, at the instant *at*.

    With *domain*, the certificate must be for that name; with *trust*, its chain must lead to one of these roots.
    Never raises for what the two texts hold: if a library fails in a way that nobody foresaw, that is a reason too.
    """
    try:
        with warnings.catch_warnings():  # what is to be said is said in findings
            warnings.simplefilter("ignore")  # of old serial numbers, long names, weak keys
            return _Judging(at, domain, trust).judge(bundle, key)
    except Exception as error:  # noqa: BLE001 - whatever the texts have set off, they are not accepted
        return _not_judged(error)
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":  # a panic in cryptography's core is no Exception
            raise
        return _not_judged(error)


class _Judging:
    """One judgement in the making."""

    def __init__(self, at: datetime, domain: Name | None, trust: Sequence[x509.Certificate] | None) -> None:
        self._at = at
        self._domain = domain
        self._trust = trust
        self._findings: list[Finding] = []

    def judge(self, bundle_text: bytes, key_text: bytes) -> Judgement:
        bundle = read_bundle(bundle_text)
        key_file = read_key(key_text)
        self._findings += [*bundle.findings, *key_file.findings]
        verdict = self._chain(bundle)
        if any(finding.rule is LEAF_NOT_FIRST for finding in self._findings):
            bundle = replace(bundle, leaf=None)  # what is first is known to be another one
        facts = self._leaf(bundle.leaf) if bundle.leaf else None
        self._pair(bundle, key_file.key)
        chain = tuple(entry.der for entry in bundle.entries)
        encoded = self._load(chain, key_file.key)
        reasons = tuple(finding for finding in self._findings if not finding.rule.is_warning)
        return Judgement(
            reasons=reasons,
            warnings=tuple(finding for finding in self._findings if finding.rule.is_warning),
            links=tuple(_link(entry) for entry in bundle.entries),
            publicly_trusted=verdict is not None and verdict.publicly_trusted,
            trust_anchor=verdict.trust_anchor if verdict else None,
            chain=chain,
            facts=facts,
            private_key=None if reasons else encoded,
        )

    def _chain(self, bundle: Bundle) -> "chains.ChainVerdict | None":
        """Judge the certificates together, if all are there."""
        if not bundle.is_whole:
            return None
        try:
            verdict = chains.examine(
                [entry.certificate for entry in bundle.entries],
                [entry.where for entry in bundle.entries],
                at=self._at,
                domain=self._domain,
                trust=self._trust,
            )
        except reading.UNREADABLE as error:
            self._findings.append(_unreadable(error, where="the bundle"))
            return None
        self._findings += verdict.findings
        return verdict

    def _leaf(self, leaf: Entry) -> CertificateFacts | None:
        try:
            self._findings += leaves.examine(leaf.certificate, where=leaf.where, at=self._at, domain=self._domain)
        except reading.UNREADABLE as error:
            self._findings.append(_unreadable(error, where=leaf.where))
            return None
        refused = LEAF.unfit(leaf.kind, what=leaf.where, where=leaf.where)
        self._findings += refused
        if refused:
            return None
        self._findings += warnings_of(leaf.kind, what=leaf.where, where=leaf.where)
        try:
            return parse(leaf.der)
        except UnreadableCertificateError as error:
            if not any(finding.where == leaf.where and not finding.rule.is_warning for finding in self._findings):
                self._findings.append(_unreadable(error, where=leaf.where))
            return None

    def _pair(self, bundle: Bundle, key: Key | None) -> None:
        """Judge the key and the leaf's key: whether they are one, and whether others can know them."""
        leaf = bundle.leaf
        fit = leaf is not None and not LEAF.unfit(leaf.kind, what=leaf.where, where=leaf.where)
        other = mismatch(key, bundle.entries) if key is not None and fit else None
        if other is not None:
            self._findings.append(other)
        if leaf is not None and fit:
            self._findings += weaknesses(leaf.certificate.public_key(), what=leaf.where, where=leaf.where)
        if key is not None:
            if other is not None or not fit:
                self._findings += weaknesses(key.private.public_key(), what="the key's file", where="key")
            self._findings += private_weaknesses(key.private, what="the key's file", where="key")

    def _load(self, chain: tuple[bytes, ...], key: Key | None) -> bytes | None:
        """Return *key* encoded anew, if nothing speaks against it and it loads with *chain*."""
        too_large = oversize(chain)
        if too_large is not None:
            self._findings.append(too_large)
        if key is None or any(not finding.rule.is_warning for finding in self._findings):
            return None
        encoded = key.encoded()
        failure = load_failure(chain, encoded)
        if failure is not None:
            self._findings.append(failure)
        return encoded


def _link(entry: Entry) -> Link:
    certificate = entry.certificate
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    return Link(
        number=entry.number,
        subject=subject,
        issuer=issuer,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=str(entry.kind),
        is_self_signed=signs(certificate, certificate),
    )


def _unreadable(error: Exception, *, where: str) -> Finding:
    return UNREADABLE.found(
        f"{where} cannot be read ({shown(str(error))}); export it again from where it was issued", where=where
    )


def _not_judged(error: BaseException) -> Judgement:
    message = f"bundle and key could not be judged ({type(error).__name__}); tell whoever runs this service"
    return Judgement(reasons=(NOT_JUDGED.found(message, where="bundle"),), warnings=())
