"""Rules for the certificates above the leaf: their right to sign, and the limits they set (RFC 5280 section 6.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from shared.judging.certificate.reading import extension, is_self_issued, serial_number, value
from shared.judging.chain import constraints, policies
from shared.judging.chain.signing import key_flaw, signs
from shared.judging.model import Finding, Rule
from shared.judging.phrases import called

NO_AUTHORITY: Final = Rule(
    code="chain_not_an_authority",
    source="RFC 5280 section 6.1.4 (k)",
    summary="a certificate that signs others has basicConstraints with cA set to true",
)
NOT_CRITICAL: Final = Rule(
    code="chain_constraints_not_critical",
    source="RFC 5280 section 4.2.1.9",
    summary="an authority's basicConstraints are critical",
)
MAY_NOT_SIGN: Final = Rule(
    code="chain_may_not_sign",
    source="RFC 5280 section 6.1.4 (n)",
    summary="an authority's keyUsage, if there is one, has keyCertSign",
)
NOT_FOR_SERVERS: Final = Rule(
    code="chain_not_for_servers",
    source="CABF BR section 7.1.2.10.6",
    summary="an authority's extendedKeyUsage, if there is one, has serverAuth",
)
TOO_LONG: Final = Rule(
    code="chain_too_long",
    source="RFC 5280 section 6.1.4 (l)",
    summary="no authority has more authorities below it than its path length allows",
)
NAMELESS: Final = Rule(
    code="chain_no_subject", source="RFC 5280 section 4.1.2.6", summary="an authority's certificate has a subject"
)
WEAK_KEY: Final = Rule(
    code="chain_weak_key",
    source="CABF BR section 6.1.5",
    summary="an authority's key is RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519",
)
WRONG_KEY_ID: Final = Rule(
    code="chain_wrong_key_identifier",
    source="RFC 5280 section 4.2.1.1",
    summary="a certificate's authorityKeyIdentifier matches the certificate that signed it",
)
BAD_CONSTRAINTS: Final = Rule(
    code="chain_bad_name_constraints",
    source="RFC 5280 section 4.2.1.10",
    summary="an authority's name constraints follow RFC 5280",
)
FORBIDDEN_NAME: Final = Rule(
    code="chain_forbidden_name",
    source="RFC 5280 section 6.1.3 (b)",
    summary="the name constraints of the authorities above allow every name",
)
TOO_MANY_CONSTRAINTS: Final = Rule(
    code="chain_too_many_constraints",
    source="product rule",
    summary=f"checking names against name constraints needs at most {constraints.MAX_COMPARISONS:,} comparisons",
)
NO_POLICY: Final = Rule(
    code="chain_no_policy",
    source="RFC 5280 section 6.1.5 (g)",
    summary="if an authority requires a certificate policy of all certificates below it, they have one",
)
STRICT_CLIENTS: Final = Rule(
    code="strict_clients",
    source="RFC 5280 sections 4.2.1.1 to 4.2.1.3",
    summary="authorities have the extensions that strict clients require, such as Python's since 3.13",
    is_warning=True,
)
RULES: Final = (
    NO_AUTHORITY,
    NOT_CRITICAL,
    MAY_NOT_SIGN,
    NOT_FOR_SERVERS,
    TOO_LONG,
    NAMELESS,
    WEAK_KEY,
    WRONG_KEY_ID,
    BAD_CONSTRAINTS,
    FORBIDDEN_NAME,
    TOO_MANY_CONSTRAINTS,
    NO_POLICY,
    STRICT_CLIENTS,
)


_GET_CURRENT: Final = "get the authority's current certificate from it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Certificates from the leaf to the trust anchor; *places* has the location of each in the file."""

    certificates: Sequence[x509.Certificate]
    places: Sequence[str]
    is_anchored: bool
    """Whether the last certificate is a known root; if not, it is only the last one of the bundle."""

    def called(self, index: int) -> str:
        """Return the name by which messages call the certificate at *index*."""
        return called(self.certificates[index], self.places[index])


def examine(path: Path) -> list[Finding]:
    """Return the findings about the authorities in *path*, whose certificates are all readable."""
    findings: list[Finding] = []
    for index, certificate in enumerate(path.certificates[1:], start=1):
        name, where = path.called(index), path.places[index]
        findings += _signing_rights(certificate, name, where)
        findings += _purposes(certificate, name, where)
        findings += _length(path, index)
        if index < len(path.certificates) - 1 or not path.is_anchored:
            findings += _for_strict_clients(certificate, name, where)
    findings += _key_identifiers(path)
    findings += _names(path)
    top = path.certificates[-1]
    has_root = path.is_anchored or signs(top, top)  # otherwise *top* serves as the missing trust anchor too
    lacking = policies.unmet(path.certificates if has_root else [*path.certificates, top])
    if lacking is not None:
        text = (
            f"{path.called(lacking)} has no certificate policy that the authorities above it allow, and one of them"
            " requires one (policyConstraints); have it reissued under such a policy"
        )
        findings.append(NO_POLICY.found(text, where=path.places[lacking]))
    return findings


def _signing_rights(certificate: x509.Certificate, name: str, where: str) -> Iterator[Finding]:
    basic = extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.value.ca:
        flaw = "has no basicConstraints" if basic is None else "says in its basicConstraints that it is not a CA"
        text = f"{name} {flaw}, so clients accept nothing that it signed; {_GET_CURRENT}"
        yield NO_AUTHORITY.found(text, where=where)
    elif not basic.critical:
        text = (
            f"{name} has basicConstraints that are not marked as critical, so strict clients refuse it; {_GET_CURRENT}"
        )
        yield NOT_CRITICAL.found(text, where=where)
    usage = value(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        text = f"{name} may not sign certificates: its keyUsage lacks keyCertSign; {_GET_CURRENT}"
        yield MAY_NOT_SIGN.found(text, where=where)
    if not certificate.subject.rdns:
        yield NAMELESS.found(f"{name} is an authority's certificate without a subject; {_GET_CURRENT}", where=where)
    weakness = key_flaw(certificate)
    if weakness is not None:
        yield WEAK_KEY.found(f"{name} cannot be relied on: {weakness}", where=where)


def _purposes(certificate: x509.Certificate, name: str, where: str) -> Iterator[Finding]:
    purposes = value(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
        also = ""
        if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
            also = " (anyExtendedKeyUsage does not include it: OpenSSL and Firefox refuse such a chain)"
        text = (
            f"{name} may not sign for servers: its extendedKeyUsage lacks serverAuth{also}; have the server's"
            " certificate issued by an authority for servers"
        )
        yield NOT_FOR_SERVERS.found(text, where=where)


def _length(path: Path, index: int) -> Iterator[Finding]:
    basic = value(path.certificates[index], x509.BasicConstraints)
    if basic is None or basic.path_length is None:
        return
    between = [other for other in path.certificates[1:index] if not is_self_issued(other)]
    if len(between) > basic.path_length:
        text = (
            f"{path.called(index)} allows {basic.path_length} authorities between itself and a server's certificate,"
            f" but there are {len(between)}; get the authority's current certificates from it"
        )
        yield TOO_LONG.found(text, where=path.places[index])


def _for_strict_clients(certificate: x509.Certificate, name: str, where: str) -> Iterator[Finding]:
    wanted: dict[str, type[x509.ExtensionType]] = {
        "keyUsage": x509.KeyUsage,
        "subjectKeyIdentifier": x509.SubjectKeyIdentifier,
    }
    if not is_self_issued(certificate):
        wanted["authorityKeyIdentifier"] = x509.AuthorityKeyIdentifier
    lacks = [title for title, kind in wanted.items() if extension(certificate, kind) is None]
    if lacks:
        text = (
            f"{name} lacks {' and '.join(lacks)}; most clients accept that, but strict ones, such as Python's since"
            " 3.13, refuse it. Tell the authority"
        )
        yield STRICT_CLIENTS.found(text, where=where)


def _key_identifiers(path: Path) -> Iterator[Finding]:
    """Yield each certificate whose key identifier is not that of its issuer: OpenSSL then finds no issuer."""
    for index, certificate in enumerate(path.certificates):
        above = index + 1
        if above == len(path.certificates):
            # The issuer of the last certificate may be elsewhere. A root's new key that its old key certified is such
            # a case: that certificate names the old key.
            if not index or not signs(certificate, certificate):
                return
            above = index
        wanted, issuer = value(certificate, x509.AuthorityKeyIdentifier), path.certificates[above]
        if wanted is not None and not _identifies(wanted, issuer):
            text = (
                f"{path.called(index)} names another key in its authorityKeyIdentifier than {path.called(above)} has,"
                " so OpenSSL's clients find no issuer; ask the authority for the certificate that belongs here"
            )
            yield WRONG_KEY_ID.found(text, where=path.places[index])


def _identifies(wanted: x509.AuthorityKeyIdentifier, issuer: x509.Certificate) -> bool:
    own = value(issuer, x509.SubjectKeyIdentifier)
    if wanted.key_identifier is not None and own is not None and wanted.key_identifier != own.digest:
        return False
    number, names = wanted.authority_cert_serial_number, wanted.authority_cert_issuer
    if number is not None and number != serial_number(issuer):
        return False
    directories = [name.value for name in names or () if isinstance(name, x509.DirectoryName)]
    return not directories or issuer.issuer in directories


def _names(path: Path) -> Iterator[Finding]:
    flawed = False
    for index, certificate in enumerate(path.certificates[1:], start=1):
        found = value(certificate, x509.NameConstraints)
        flaw = None if found is None else constraints.malformed(found)
        if flaw is not None:
            flawed = True
            text = f"{path.called(index)} has malformed name constraints: {flaw}; {_GET_CURRENT}"
            yield BAD_CONSTRAINTS.found(text, where=path.places[index])
    if flawed:
        return
    work = constraints.comparisons(path.certificates)
    if work > constraints.MAX_COMPARISONS:
        text = (
            f"checking its names against the name constraints of the authorities above would need {work:,} comparisons;"
            f" clients give up on so many, and at most {constraints.MAX_COMPARISONS:,} are accepted. Have the names"
            " split among several certificates"
        )
        yield TOO_MANY_CONSTRAINTS.found(text, where=path.places[0])
        return
    for below, authority, why in constraints.violations(path.certificates):
        text = (
            f"{path.called(below)} has a name that {path.called(authority)} does not allow: {why}. Have it reissued"
            " without that name, or by another authority"
        )
        yield FORBIDDEN_NAME.found(text, where=path.places[below])
