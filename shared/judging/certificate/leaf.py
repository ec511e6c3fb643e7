"""The rules for the leaf, the server's own certificate: what it must and must not say for clients to accept it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from shared.judging.certificate import identities, profile
from shared.judging.certificate.reading import extension, is_self_issued, value
from shared.judging.chain.signing import signs
from shared.judging.model import Finding, Rule
from shared.judging.phrases import called, dated
from shared.names import Name

IS_AUTHORITY: Final = Rule(
    code="leaf_is_authority",
    source="CABF BR section 7.1.2.7.8",
    summary="the server's certificate is not an authority's: it has no basicConstraints with cA set to true",
)
MAY_SIGN: Final = Rule(
    code="leaf_may_sign",
    source="RFC 5280 section 4.2.1.9",
    summary="the server's certificate may not sign others: its keyUsage has no keyCertSign",
)
NOT_FOR_SERVERS: Final = Rule(
    code="leaf_not_for_servers",
    source="RFC 5280 section 4.2.1.12, CABF BR section 7.1.2.7.10",
    summary="the server's certificate is for servers: its extendedKeyUsage, if there is one, has serverAuth",
)
MAY_NOT_SPEAK_TLS: Final = Rule(
    code="leaf_key_usage",
    source="RFC 8446 section 4.4.2.2",
    summary="the server's keyUsage, if there is one, has digitalSignature",
)
NO_AUTHORITY_KEY: Final = Rule(
    code="leaf_no_authority_key_identifier",
    source="RFC 5280 section 4.2.1.1",
    summary="the server's certificate names the key that signed it, unless it signed itself",
)
HAS_CONSTRAINTS: Final = Rule(
    code="leaf_name_constraints",
    source="RFC 5280 section 4.2.1.10",
    summary="only authorities have name constraints",
)
MUST_STAPLE: Final = Rule(
    code="leaf_must_staple",
    source="RFC 7633 section 4",
    summary="the server's certificate does not require OCSP stapling, which the terminator does not support",
)
EXPIRES_SOON: Final = Rule(
    code="expires_soon",
    source="product rule",
    summary="the certificate is valid for more than 30 days, or a third of its lifetime if that is less",
    is_warning=True,
)
LONG_LIFETIME: Final = Rule(
    code="long_lifetime",
    source="CABF BR section 6.3.2 (SC-081v3)",
    summary="the certificate's lifetime is no longer than clients accept",
    is_warning=True,
)
SELF_SIGNED: Final = Rule(
    code="self_signed",
    source="product rule",
    summary="the server's certificate is signed by an authority, not by itself",
    is_warning=True,
)
RULES: Final = (
    *(pair.leaf for pair in profile.RULE_PAIRS),
    *identities.RULES,
    IS_AUTHORITY,
    MAY_SIGN,
    NOT_FOR_SERVERS,
    MAY_NOT_SPEAK_TLS,
    NO_AUTHORITY_KEY,
    HAS_CONSTRAINTS,
    MUST_STAPLE,
    EXPIRES_SOON,
    LONG_LIFETIME,
    SELF_SIGNED,
)

_SOON: Final = timedelta(days=30)
_PRIVATE_LIFETIME: Final = timedelta(days=825)  # https://support.apple.com/103769: also for private authorities
# CABF BR section 6.3.2: certificates issued from this date are valid for at most this long.
_PUBLIC_LIFETIMES: Final = (
    (datetime(2029, 3, 15, tzinfo=UTC), timedelta(days=47)),
    (datetime(2027, 3, 15, tzinfo=UTC), timedelta(days=100)),
    (datetime(2026, 3, 15, tzinfo=UTC), timedelta(days=200)),
    (datetime(2020, 9, 1, tzinfo=UTC), timedelta(days=398)),
)
# CABF BR section 7.1.6.1: domain, organization, individual, extended validation
_PUBLIC_POLICIES: Final = frozenset(
    ObjectIdentifier(oid) for oid in ("2.23.140.1.2.1", "2.23.140.1.2.2", "2.23.140.1.2.3", "2.23.140.1.1")
)


def examine(leaf: x509.Certificate, *, where: str, at: datetime, domain: Name | None) -> list[Finding]:
    """Return the findings about *leaf* as a server's certificate at the instant *at*, and about its use for *domain*.

    Its key and its issuer are judged elsewhere.
    """
    findings = profile.examine(leaf, where=where, at=at, leaf=True)
    if not profile.is_readable(leaf) or leaf.version is not x509.Version.v3:  # all other rules are about extensions
        return findings
    name = called(leaf, where)
    findings += _signing_rights(leaf, name, where)
    if not _is_authority(leaf):
        findings += _purposes(leaf, name, where)
    findings += _limits(leaf, name, where)
    findings += identities.examine(leaf, where=where, domain=domain)
    findings += _lifetime(leaf, name, where, at)
    return findings


def claims_to_be_public(leaf: x509.Certificate) -> bool:
    """Say whether *leaf* has a mark of public authorities: certificate timestamps, or a policy of the CA/B Forum."""
    policies = value(leaf, x509.CertificatePolicies) or ()
    return has_timestamps(leaf) or any(policy.policy_identifier in _PUBLIC_POLICIES for policy in policies)


def has_timestamps(leaf: x509.Certificate) -> bool:
    """Say whether *leaf* contains signed certificate timestamps (RFC 6962 section 3.3)."""
    return extension(leaf, x509.PrecertificateSignedCertificateTimestamps) is not None


def _signing_rights(leaf: x509.Certificate, name: str, where: str) -> Iterator[Finding]:
    usage = value(leaf, x509.KeyUsage)
    if _is_authority(leaf):
        text = (
            f"{name} is an authority's certificate (basicConstraints: CA), which clients refuse from a server; provide"
            " one that was issued for a server. When you make a self-signed certificate, set CA:FALSE"
        )
        yield IS_AUTHORITY.found(text, where=where)
    elif usage is not None and usage.key_cert_sign:
        text = f"{name} has keyCertSign in its keyUsage but is not an authority's; have it reissued without keyCertSign"
        yield MAY_SIGN.found(text, where=where)
    if extension(leaf, x509.NameConstraints) is not None:
        text = f"{name} has name constraints, which only authorities may have; have it reissued without them"
        yield HAS_CONSTRAINTS.found(text, where=where)


def _purposes(leaf: x509.Certificate, name: str, where: str) -> Iterator[Finding]:
    purposes, usage = value(leaf, x509.ExtendedKeyUsage), value(leaf, x509.KeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
        also = ""
        if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
            also = " (anyExtendedKeyUsage does not include it: OpenSSL and Firefox refuse such a server)"
        text = f"{name} is not for servers: its extendedKeyUsage lacks serverAuth{also}; have it reissued with it"
        yield NOT_FOR_SERVERS.found(text, where=where)
    if usage is not None and not usage.digital_signature:
        text = (
            f"{name} has a keyUsage without digitalSignature, so its key may not sign handshakes, as TLS 1.3 and all"
            " key exchanges with forward secrecy require; have it reissued with it"
        )
        yield MAY_NOT_SPEAK_TLS.found(text, where=where)


def _limits(leaf: x509.Certificate, name: str, where: str) -> Iterator[Finding]:
    if is_self_issued(leaf) and signs(leaf, leaf):
        text = (
            f"{name} is self-signed, so only clients that were configured to trust it accept it; have one issued by an"
            " authority that visitors trust"
        )
        yield SELF_SIGNED.found(text, where=where)
    elif extension(leaf, x509.AuthorityKeyIdentifier) is None:
        text = (
            f"{name} does not name the key that signed it (authorityKeyIdentifier), so strict clients, such as Python's"
            " since 3.13, refuse it; have it reissued with that extension (in OpenSSL: authorityKeyIdentifier = keyid)"
        )
        yield NO_AUTHORITY_KEY.found(text, where=where)
    features = value(leaf, x509.TLSFeature)
    if features is not None and x509.TLSFeatureType.status_request in features:
        text = (
            f"{name} requires the server to staple OCSP responses (TLS feature status_request), which this platform"
            " does not do, so Firefox would refuse it; have it reissued without that extension"
        )
        yield MUST_STAPLE.found(text, where=where)


def _is_authority(leaf: x509.Certificate) -> bool:
    basic = value(leaf, x509.BasicConstraints)
    return basic is not None and basic.ca


def _lifetime(leaf: x509.Certificate, name: str, where: str, at: datetime) -> Iterator[Finding]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    lifetime = end - begin + timedelta(seconds=1)  # both ends are included
    if at <= end < at + min(_SOON, lifetime / 3):
        text = f"{name} expires on {dated(end)}, in {(end - at).days} days; provide its successor soon"
        yield EXPIRES_SOON.found(text, where=where)
    longest = _longest(begin, is_public=claims_to_be_public(leaf))
    if longest is not None and lifetime > longest:
        text = (
            f"{name} is valid for {lifetime.days} days; clients may refuse more than {longest.days}. Have the next one"
            " issued for a shorter time"
        )
        yield LONG_LIFETIME.found(text, where=where)


def _longest(begin: datetime, *, is_public: bool) -> timedelta | None:
    if not is_public:
        return _PRIVATE_LIFETIME
    return next((days for start, days in _PUBLIC_LIFETIMES if begin >= start), _PRIVATE_LIFETIME)
