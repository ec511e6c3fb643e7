"""Judge an upload: run one check after another and collect every reason to reject it.

A check is skipped when something that it depends on is missing: the match of key and leaf without a readable leaf, the
chain without all its certificates, the trial load if there is any reason. So the user can act on every reason.
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
from shared.judging.key.accepted_keys import LEAF_KEY, warnings_of
from shared.judging.key.loading import load_failure, oversize
from shared.judging.key.matching import mismatch
from shared.judging.key.private_key import Key, read_key
from shared.judging.key.weakness import private_weaknesses, weaknesses
from shared.judging.model import CertificateSummary, Finding, Judgement, Rule
from shared.judging.phrases import shown
from shared.names import Name

NOT_JUDGED: Final = Rule(
    code="not_judged",
    source="product rule",
    summary="judging the bundle and the key does not fail",
)


def judge(
    bundle: bytes,
    key: bytes,
    *,
    at: datetime,
    domain: Name | None = None,
    trust: Sequence[x509.Certificate] | None = None,
) -> Judgement:
    """Return the judgement on *bundle* and *key*, both PEM, at the instant *at*.

    With *domain*, the certificate must cover that name; with *trust*, its chain must lead to one of these roots. The
    content of the two texts never makes this function raise: an unforeseen failure of a library becomes a reason.
    """
    try:
        with warnings.catch_warnings():  # the findings say everything that needs saying
            warnings.simplefilter("ignore")  # cryptography warns of old serial numbers, long names and weak keys
            return _Examination(at, domain, trust).run(bundle, key)
    except Exception as error:  # noqa: BLE001 - texts that cause any failure are not accepted
        return _not_judged(error)
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":  # a panic in cryptography's core is not an Exception
            raise
        return _not_judged(error)


class _Examination:
    """One run of all checks; it collects the findings."""

    def __init__(self, at: datetime, domain: Name | None, trust: Sequence[x509.Certificate] | None) -> None:
        self._at = at
        self._domain = domain
        self._trust = trust
        self._findings: list[Finding] = []

    def run(self, bundle_text: bytes, key_text: bytes) -> Judgement:
        bundle = read_bundle(bundle_text)
        key_file = read_key(key_text)
        self._findings += [*bundle.findings, *key_file.findings]
        chain_result = self._chain(bundle)
        if any(finding.rule is LEAF_NOT_FIRST for finding in self._findings):
            bundle = replace(bundle, leaf=None)  # the first certificate is known not to be the leaf
        facts = self._leaf(bundle.leaf) if bundle.leaf else None
        self._pair(bundle, key_file.key)
        chain = tuple(entry.der for entry in bundle.entries)
        encoded = self._load(chain, key_file.key)
        reasons = tuple(finding for finding in self._findings if not finding.rule.is_warning)
        return Judgement(
            reasons=reasons,
            warnings=tuple(finding for finding in self._findings if finding.rule.is_warning),
            certificates=tuple(_summary(entry) for entry in bundle.entries),
            publicly_trusted=chain_result is not None and chain_result.publicly_trusted,
            trust_anchor=chain_result.trust_anchor if chain_result else None,
            chain=chain,
            facts=facts,
            private_key=None if reasons else encoded,
        )

    def _chain(self, bundle: Bundle) -> "chains.ChainResult | None":
        """Judge the certificates together, if all of them are readable."""
        if not bundle.is_whole:
            return None
        try:
            result = chains.examine(
                [entry.certificate for entry in bundle.entries],
                [entry.where for entry in bundle.entries],
                at=self._at,
                domain=self._domain,
                trust=self._trust,
            )
        except reading.UNREADABLE as error:
            self._findings.append(_unreadable(error, where="the bundle"))
            return None
        self._findings += result.findings
        return result

    def _leaf(self, leaf: Entry) -> CertificateFacts | None:
        try:
            self._findings += leaves.examine(leaf.certificate, where=leaf.where, at=self._at, domain=self._domain)
        except reading.UNREADABLE as error:
            self._findings.append(_unreadable(error, where=leaf.where))
            return None
        refused = LEAF_KEY.check(leaf.kind, what=leaf.where, where=leaf.where)
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
        """Judge the key and the leaf's key: whether they belong together, and whether either is weak."""
        leaf = bundle.leaf
        is_accepted = leaf is not None and not LEAF_KEY.check(leaf.kind, what=leaf.where, where=leaf.where)
        mismatched = mismatch(key, bundle.entries) if key is not None and is_accepted else None
        if mismatched is not None:
            self._findings.append(mismatched)
        if leaf is not None and is_accepted:
            self._findings += weaknesses(leaf.certificate.public_key(), what=leaf.where, where=leaf.where)
        if key is not None:
            if mismatched is not None or not is_accepted:
                self._findings += weaknesses(key.private.public_key(), what="the key's file", where="key")
            self._findings += private_weaknesses(key.private, what="the key's file", where="key")

    def _load(self, chain: tuple[bytes, ...], key: Key | None) -> bytes | None:
        """Return *key*, encoded again, if there is no reason to reject it; add a reason if it does not load."""
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


def _summary(entry: Entry) -> CertificateSummary:
    certificate = entry.certificate
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    return CertificateSummary(
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
    message = f"bundle and key could not be judged ({type(error).__name__}); report this to the platform's operator"
    return Judgement(reasons=(NOT_JUDGED.found(message, where="bundle"),), warnings=())
