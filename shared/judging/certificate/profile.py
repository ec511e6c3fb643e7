"""The rules for every certificate of a chain, the server's own and those of authorities alike (RFC 5280).

Each rule is a pair: the same rule has one code for the leaf and another for an authority's certificate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, ObjectIdentifier

from shared.judging.certificate.reading import UNREADABLE, names_one_algorithm, serial_number
from shared.judging.chain.policies import MAPPINGS, mappings
from shared.judging.chain.signing import algorithm_flaw
from shared.judging.model import Finding, Rule
from shared.judging.phrases import called, dated, shown


@dataclass(frozen=True, slots=True)
class RulePair:
    """One rule with its two codes: for the leaf and for an authority's certificate."""

    leaf: Rule
    authority: Rule

    def of(self, *, leaf: bool) -> Rule:
        """Return the rule for the leaf if *leaf*, else the one for an authority's certificate."""
        return self.leaf if leaf else self.authority


def _rules(code: str, source: str, summary: str) -> RulePair:
    return RulePair(
        Rule(code=f"leaf_{code}", source=source, summary=f"the server's certificate {summary}"),
        Rule(code=f"chain_{code}", source=source, summary=f"an authority's certificate {summary}"),
    )


UNREADABLE_PART = _rules("malformed", "RFC 5280 section 4.1", "is readable in all its parts")
DUPLICATE_EXTENSION = _rules("extension_twice", "RFC 5280 section 4.2", "has no extension twice")
UNKNOWN_CRITICAL = _rules(
    "unknown_critical_extension", "RFC 5280 section 4.2", "has no critical extension that clients do not know"
)
WRONG_CRITICAL = _rules(
    "wrongly_critical_extension", "RFC 5280 section 4.2", "marks no extension as critical that must not be critical"
)
VERSION = _rules("not_version_3", "CABF BR section 7.1.1", "is of X.509 version 3")
SERIAL_NUMBER = _rules(
    "bad_serial_number", "RFC 5280 section 4.1.2.2", "has a positive serial number of at most 20 octets"
)
WEAK_SIGNATURE = _rules(
    "weak_signature", "CABF BR section 7.1.3.2", "is signed with SHA-256, SHA-384, SHA-512 or Ed25519"
)
TWO_ALGORITHMS = _rules(
    "two_algorithms", "RFC 5280 section 4.1.1.2", "names the same signature algorithm in both places"
)
NO_ISSUER = _rules("no_issuer", "RFC 5280 section 4.1.2.4", "names its issuer")
EXPIRED = _rules("expired", "RFC 5280 section 4.1.2.5", "has not expired")
NOT_YET_VALID = _rules("not_yet_valid", "RFC 5280 section 4.1.2.5", "is already valid")

RULE_PAIRS: Final = (
    UNREADABLE_PART,
    DUPLICATE_EXTENSION,
    UNKNOWN_CRITICAL,
    WRONG_CRITICAL,
    VERSION,
    SERIAL_NUMBER,
    WEAK_SIGNATURE,
    TWO_ALGORITHMS,
    NO_ISSUER,
    EXPIRED,
    NOT_YET_VALID,
)

_MAX_SERIAL_BITS: Final = 160  # 20 octets
_SECOND: Final = timedelta(seconds=1)

# The extensions that these rules check, and CRL distribution points: revocation is not checked.
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        MAPPINGS,
    }
)
# RFC 5280 sections 4.2.1.1, 4.2.1.2, 4.2.2.1, 4.2.2.2, 4.2.1.15: "MUST mark this extension as non-critical"
_NEVER_CRITICAL: Final = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    ExtensionOID.SUBJECT_INFORMATION_ACCESS: "subjectInfoAccess",
    ExtensionOID.FRESHEST_CRL: "freshestCRL",
}


def examine(
    certificate: x509.Certificate, *, where: str, at: datetime, leaf: bool, anchor: bool = False
) -> list[Finding]:
    """Return the findings about *certificate* at the instant *at* that do not depend on its place in the chain.

    The signature and the serial number of a trust *anchor* do not matter (RFC 5280 section 6.1). If a part of the
    certificate cannot be read, that is the only finding.
    """
    unreadable = None if is_readable(certificate) else _unreadable(certificate, where, leaf=leaf)
    if unreadable is not None:
        return [unreadable]
    name = called(certificate, where)
    findings = [*_validity(certificate, name, where, at, leaf=leaf), *_extensions(certificate, name, where, leaf=leaf)]
    if certificate.version is not x509.Version.v3:
        text = (
            f"{name} is an X.509 certificate of version {certificate.version.value + 1}, but clients accept only"
            f" version 3; {_remedy(leaf=leaf)}"
        )
        findings.append(VERSION.of(leaf=leaf).found(text, where=where))
    if not certificate.issuer.rdns:
        text = f"{name} does not name its issuer; {_remedy(' by an authority with a name', leaf=leaf)}"
        findings.append(NO_ISSUER.of(leaf=leaf).found(text, where=where))
    if not anchor:
        findings += _signature(certificate, name, where, leaf=leaf)
    return findings


@lru_cache(maxsize=64)  # judging one chain asks several times for each certificate
def is_readable(certificate: x509.Certificate) -> bool:
    """Say whether every part of *certificate* that the rules use is readable."""
    return _unreadable(certificate, "", leaf=False) is None


def begins_after(certificate: x509.Certificate, at: datetime) -> bool:
    """Say whether the validity of *certificate* begins after *at*, compared in seconds (RFC 5280 section 4.1.2.5.2)."""
    return at.replace(microsecond=0) < certificate.not_valid_before_utc


def has_ended(certificate: x509.Certificate, at: datetime) -> bool:
    """Say whether *certificate* has expired at *at*. It is valid until the end of its last second."""
    return at.replace(microsecond=0) > certificate.not_valid_after_utc


def _unreadable(certificate: x509.Certificate, where: str, *, leaf: bool) -> Finding | None:
    """Return the finding that a part of *certificate* is unreadable; None if the rules can read every part they use."""
    try:
        _ = certificate.issuer.public_bytes(), certificate.subject.public_bytes(), certificate.version
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, names_one_algorithm(certificate)
    except UNREADABLE as error:
        text = f"{where} has a part that cannot be read ({shown(str(error))}); {_remedy(leaf=leaf)}"
        return UNREADABLE_PART.of(leaf=leaf).found(text, where=where)
    return _unreadable_extension(certificate, where, leaf=leaf)


def _unreadable_extension(certificate: x509.Certificate, where: str, *, leaf: bool) -> Finding | None:
    name = called(certificate, where)
    try:
        _ = mappings(certificate)  # this decodes all extensions; no other check reads the policy mappings
    except x509.DuplicateExtension as error:
        text = (
            f"{name} has the extension {_titled(error.oid)} twice, which clients refuse or read differently;"
            f" {_remedy(leaf=leaf)}"
        )
        return DUPLICATE_EXTENSION.of(leaf=leaf).found(text, where=where)
    except UNREADABLE as error:
        text = (
            f"{name} has an extension whose content does not follow its standard ({shown(str(error))}), so clients"
            f" refuse or misread it; {_remedy(leaf=leaf)}"
        )
        return UNREADABLE_PART.of(leaf=leaf).found(text, where=where)
    return None


def _validity(certificate: x509.Certificate, name: str, where: str, at: datetime, *, leaf: bool) -> Iterator[Finding]:
    if has_ended(certificate, at):
        text = f"{name} expired on {dated(certificate.not_valid_after_utc)}; provide one that is valid at {dated(at)}"
        yield EXPIRED.of(leaf=leaf).found(text, where=where)
    if begins_after(certificate, at):
        text = (
            f"{name} is valid only from {dated(certificate.not_valid_before_utc)} on, which is after {dated(at)}; wait"
            " until then, or check the clocks"
        )
        yield NOT_YET_VALID.of(leaf=leaf).found(text, where=where)


def _extensions(certificate: x509.Certificate, name: str, where: str, *, leaf: bool) -> Iterator[Finding]:
    for extension in certificate.extensions:
        if not extension.critical or extension.oid in _UNDERSTOOD:
            continue
        if extension.oid == ExtensionOID.PRECERT_POISON:
            text = f"{name} is a precertificate, made for certificate transparency; provide the certificate itself"
            yield UNKNOWN_CRITICAL.of(leaf=leaf).found(text, where=where)
        elif extension.oid in _NEVER_CRITICAL:
            text = f"{name} marks its extension {_NEVER_CRITICAL[extension.oid]} as critical, which is forbidden;"
            remedy = _remedy(" without that mark", leaf=leaf)
            yield WRONG_CRITICAL.of(leaf=leaf).found(f"{text} {remedy}", where=where)
        else:
            text = (
                f"{name} has the critical extension {_titled(extension.oid)}, which clients do not know, so they refuse"
                f" it; {_remedy(' without that extension', leaf=leaf)}"
            )
            yield UNKNOWN_CRITICAL.of(leaf=leaf).found(text, where=where)


def _signature(certificate: x509.Certificate, name: str, where: str, *, leaf: bool) -> Iterator[Finding]:
    flaw = algorithm_flaw(certificate)
    if flaw is not None:
        text = f"{name} is signed with {flaw}; {_remedy(' with SHA-256 or better', leaf=leaf)}"
        yield WEAK_SIGNATURE.of(leaf=leaf).found(text, where=where)
    if not names_one_algorithm(certificate):
        text = (
            f"{name} names one algorithm in its signed part and another at its signature, which clients refuse;"
            f" {_remedy(leaf=leaf)}"
        )
        yield TWO_ALGORITHMS.of(leaf=leaf).found(text, where=where)
    number = serial_number(certificate)
    if not 0 < number < 1 << _MAX_SERIAL_BITS:
        text = (
            f"{name} has the serial number {shown(hex(number))}, but only positive ones of at most 20 octets are"
            f" allowed; {_remedy(leaf=leaf)}"
        )
        yield SERIAL_NUMBER.of(leaf=leaf).found(text, where=where)


def _remedy(how: str = "", *, leaf: bool) -> str:
    return f"have it reissued{how}" if leaf else "get the authority's current certificate from it"


def _titled(oid: ObjectIdentifier) -> str:
    known = oid._name  # noqa: SLF001 - cryptography has no public table of names
    return oid.dotted_string if known == "Unknown OID" else f"{known} ({oid.dotted_string})"
