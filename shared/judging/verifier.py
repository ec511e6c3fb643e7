"""A second opinion: cryptography's path validation, so that nothing passes only because a check of ours forgot it."""

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import SignatureAlgorithmOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    Subject,
    VerificationError,
)

from shared.judging.reading import value
from shared.names import Name, is_wildcard

_MAX_DEPTH: Final = 16

# What we take that the defaults do not; each is looked at by rules of ours.
_CA: Final = (
    ExtensionPolicy.webpki_defaults_ca()
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, None)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)
    .may_be_present(x509.CertificatePolicies, Criticality.AGNOSTIC, None)
    .may_be_present(x509.PolicyConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.InhibitAnyPolicy, Criticality.AGNOSTIC, None)
    .may_be_present(x509.CRLDistributionPoints, Criticality.AGNOSTIC, None)
)
_LEAF: Final = (
    ExtensionPolicy.webpki_defaults_ee()
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    .may_be_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
    .may_be_present(x509.CertificatePolicies, Criticality.AGNOSTIC, None)
    .may_be_present(x509.CRLDistributionPoints, Criticality.AGNOSTIC, None)
)


def refusal(path: Sequence[x509.Certificate], *, at: datetime, domain: Name | None) -> str | None:
    """Return why cryptography refuses *path*, from the leaf to its trust anchor; None when it does not, or cannot tell.

    It is asked for *domain*, or else for a name of the leaf's own. It cannot tell of what it does not
    implement: Ed25519, names that start with a dot in constraints, self-issued authorities, and leaves without a name
    of a host.
    """
    subject = _subject(path[0], domain)
    if subject is None or len(path) == 1 or _is_beyond_it(path):
        return None
    verifier = (
        PolicyBuilder()
        .store(Store([path[-1]]))
        .time(at.replace(tzinfo=None))
        .max_chain_depth(_MAX_DEPTH)
        .extension_policies(ca_policy=_CA, ee_policy=_LEAF)
        .build_server_verifier(subject)
    )
    try:
        verifier.verify(path[0], list(path[1:-1]))
    except VerificationError as error:
        return str(error)
    return None


def _is_beyond_it(path: Sequence[x509.Certificate]) -> bool:
    return any(certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519 for certificate in path)


def _subject(leaf: x509.Certificate, domain: Name | None) -> Subject | None:
    """Return *domain*, or else a name that *leaf* is for."""
    names = value(leaf, x509.SubjectAlternativeName) or ()
    if domain is not None:
        try:
            return x509.IPAddress(ipaddress.ip_address(domain))
        except ValueError:
            return _host(domain)
    addresses = (name for name in names if isinstance(name, x509.IPAddress))
    return next((_host(name.value) for name in names if isinstance(name, x509.DNSName)), next(addresses, None))


def _host(name: str) -> x509.DNSName:
    return x509.DNSName("any." + name[2:] if is_wildcard(name) else name)
