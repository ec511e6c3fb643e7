"""What holds for every certificate that clients look at, the server's own and those of authorities alike (RFC 5280).

A rule comes as a pair: the same sentence has one code when the leaf breaks it and another when an authority does.
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
class Pair:
    """One rule, as it is called for the leaf and for an authority."""

    leaf: Rule
    authority: Rule

    def of(self, *, leaf: bool) -> Rule:
        """Return the rule for the leaf, or for an authority."""
        return self.leaf if leaf else self.authority


def _pair(code: str, source: str, summary: str) -> Pair:
    return Pair(
        Rule(code=f"leaf_{code}", source=source, summary=f"the server's certificate {summary}"),
        Rule(code=f"chain_{code}", source=source, summary=f"an authority's certificate {summary}"),
    )


UNREADABLE_PART = _pair("malformed", "RFC 5280 section 4.1", "can be read in all its parts")
DUPLICATE_EXTENSION = _pair("extension_twice", "RFC 5280 section 4.2", "has each extension once")
UNKNOWN_CRITICAL = _pair(
    "unknown_critical_extension", "RFC 5280 section 4.2", "has no critical extension that nobody knows"
)
WRONG_CRITICAL = _pair(
    "wrongly_critical_extension", "RFC 5280 section 4.2", "marks no extension as critical that must not be"
)
VERSION = _pair("not_version_3", "CABF BR section 7.1.1", "is of X.509 version 3")
SERIAL_NUMBER = _pair(
    "bad_serial_number", "RFC 5280 section 4.1.2.2", "has a positive serial number of at most 20 octets"
)
WEAK_SIGNATURE = _pair(
    "weak_signature", "CABF BR section 7.1.3.2", "is signed with SHA-256, SHA-384, SHA-512 or Ed25519"
)
TWO_ALGORITHMS = _pair("two_algorithms", "RFC 5280 section 4.1.1.2", "names one algorithm for its signature")
NO_ISSUER = _pair("no_issuer", "RFC 5280 section 4.1.2.4", "names its issuer")
EXPIRED = _pair("expired", "RFC 5280 section 4.1.2.5", "has not expired")
NOT_YET_VALID = _pair("not_yet_valid", "RFC 5280 section 4.1.2.5", "is valid already")

PAIRS: Final = (
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

# What is looked at here, and CRL distribution points, for revocation is not.
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
    """Return what speaks against *certificate* whatever its place in a chain, at the instant *at*.

    Of a trust *anchor* the own signature and serial number say nothing (RFC 5280 section 6.1). When something in it
    cannot be read, that is the only finding: `is_readable` holds for all others.
    """
    unreadable = None if is_readable(certificate) else _unreadable(certificate, where, leaf=leaf)
    if unreadable is not None:
        return [unreadable]
    name = called(certificate, where)
    findings = [*_validity(certificate, name, where, at, leaf=leaf), *_extensions(certificate, name, where, leaf=leaf)]
    if certificate.version is not x509.Version.v3:
        text = f"{name} is an X.509 certificate of version {certificate.version.value + 1}; clients take version 3 only"
        findings.append(VERSION.of(leaf=leaf).found(text, where=where))
    if not certificate.issuer.rdns:
        text = f"{name} does not name its issuer; have it issued anew by an authority with a name"
        findings.append(NO_ISSUER.of(leaf=leaf).found(text, where=where))
    if not anchor:
        findings += _signature(certificate, name, where, leaf=leaf)
    return findings


@lru_cache(maxsize=64)  # asked again and again while one chain is judged
def is_readable(certificate: x509.Certificate) -> bool:
    """Say whether every part of *certificate* that judging asks for can be read."""
    return _unreadable(certificate, "", leaf=False) is None


def begins_after(certificate: x509.Certificate, at: datetime) -> bool:
    """Say whether *certificate* is not valid yet at *at*, to the second (RFC 5280 section 4.1.2.5.2)."""
    return at.replace(microsecond=0) < certificate.not_valid_before_utc


def has_ended(certificate: x509.Certificate, at: datetime) -> bool:
    """Say whether *certificate* has expired at *at*; its last second is whole and belongs to it."""
    return at.replace(microsecond=0) > certificate.not_valid_after_utc


def _unreadable(certificate: x509.Certificate, where: str, *, leaf: bool) -> Finding | None:
    """Return that some part of *certificate* cannot be read; None if all that judging asks for can be."""
    try:
        _ = certificate.issuer.public_bytes(), certificate.subject.public_bytes(), certificate.version
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, names_one_algorithm(certificate)
    except UNREADABLE as error:
        text = f"{where} has a part that cannot be read ({shown(str(error))}); have it issued anew"
        return UNREADABLE_PART.of(leaf=leaf).found(text, where=where)
    return _unreadable_extension(certificate, where, leaf=leaf)


def _unreadable_extension(certificate: x509.Certificate, where: str, *, leaf: bool) -> Finding | None:
    name = called(certificate, where)
    try:
        _ = mappings(certificate)  # the first to read the extensions, and the only one to read this one
    except x509.DuplicateExtension as error:
        text = (
            f"{name} has the extension {_titled(error.oid)} twice; clients refuse that, or each reads another of the"
            " two; have it issued anew"
        )
        return DUPLICATE_EXTENSION.of(leaf=leaf).found(text, where=where)
    except UNREADABLE as error:
        text = (
            f"{name} has an extension whose content is not what its standard describes (its reader says:"
            f" {shown(str(error))}), so clients refuse it or misread it; have it issued anew"
        )
        return UNREADABLE_PART.of(leaf=leaf).found(text, where=where)
    return None


def _validity(certificate: x509.Certificate, name: str, where: str, at: datetime, *, leaf: bool) -> Iterator[Finding]:
    if has_ended(certificate, at):
        text = f"{name} expired on {dated(certificate.not_valid_after_utc)}; give one that is valid at {dated(at)}"
        yield EXPIRED.of(leaf=leaf).found(text, where=where)
    if begins_after(certificate, at):
        text = f"{name} is valid only from {dated(certificate.not_valid_before_utc)} on, so not yet at {dated(at)}"
        yield NOT_YET_VALID.of(leaf=leaf).found(text, where=where)


def _extensions(certificate: x509.Certificate, name: str, where: str, *, leaf: bool) -> Iterator[Finding]:
    for extension in certificate.extensions:
        if not extension.critical or extension.oid in _UNDERSTOOD:
            continue
        if extension.oid == ExtensionOID.PRECERT_POISON:
            text = f"{name} is a precertificate, made for certificate transparency; give the certificate itself"
            yield UNKNOWN_CRITICAL.of(leaf=leaf).found(text, where=where)
        elif extension.oid in _NEVER_CRITICAL:
            text = f"{name} marks its extension {_NEVER_CRITICAL[extension.oid]} as critical; have it issued anew"
            yield WRONG_CRITICAL.of(leaf=leaf).found(f"{text} with that mark removed", where=where)
        else:
            text = (
                f"{name} has the critical extension {_titled(extension.oid)}, which clients do not know and so refuse"
            )
            yield UNKNOWN_CRITICAL.of(leaf=leaf).found(text, where=where)


def _signature(certificate: x509.Certificate, name: str, where: str, *, leaf: bool) -> Iterator[Finding]:
    flaw = algorithm_flaw(certificate)
    if flaw is not None:
        text = f"{name} is signed with {flaw}; have it issued anew with SHA-256 or better"
        yield WEAK_SIGNATURE.of(leaf=leaf).found(text, where=where)
    if not names_one_algorithm(certificate):
        text = f"{name} names one algorithm in its signed part and another beside its signature; have it issued anew"
        yield TWO_ALGORITHMS.of(leaf=leaf).found(text, where=where)
    number = serial_number(certificate)
    if not 0 < number < 1 << _MAX_SERIAL_BITS:
        text = f"{name} has the serial number {shown(hex(number))}; a positive one of at most 20 octets was expected"
        yield SERIAL_NUMBER.of(leaf=leaf).found(text, where=where)


def _titled(oid: ObjectIdentifier) -> str:
    known = oid._name  # noqa: SLF001 - the only table of names that cryptography has
    return oid.dotted_string if known == "Unknown OID" else f"{known} ({oid.dotted_string})"
