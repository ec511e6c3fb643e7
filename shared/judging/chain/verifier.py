"""A second opinion by cryptography's path validation, in case one of our own checks overlooks something."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    Subject,
    VerificationError,
)

from shared.judging.certificate.reading import UNREADABLE, is_self_issued, value
from shared.judging.chain.policies import MAPPINGS
from shared.names import Name, is_wildcard

_ED25519: Final = {SignatureAlgorithmOID.ED25519, PublicKeyAlgorithmOID.ED25519}
_MAX_DEPTH: Final = 16

# Deviations from the defaults: our own rules check each of these extensions.
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
    """Return why cryptography refuses *path*, from the leaf to its trust anchor; None if it accepts or cannot tell.

    The path is verified for *domain*, or without it for one of the leaf's names. cryptography cannot tell about paths
    with features that it does not implement: Ed25519, policy mappings, self-issued authorities, and the constraints
    listed at `_has_unsupported_constraints`.
    """
    subject = _subject(path[0], domain)
    if subject is None or len(path) == 1 or any(_is_unsupported(certificate) for certificate in path):
        return None
    if any(is_self_issued(certificate) for certificate in path[1:-1]) or _has_unsupported_constraints(path):
        return None
    builder = (
        PolicyBuilder()
        .store(Store([path[-1]]))
        .time(at.astimezone(UTC).replace(tzinfo=None))
        .max_chain_depth(_MAX_DEPTH)
        .extension_policies(ca_policy=_CA, ee_policy=_LEAF)
    )
    try:
        builder.build_server_verifier(subject).verify(path[0], list(path[1:-1]))
    except (VerificationError, *UNREADABLE) as error:  # UNREADABLE also for a name that it refuses as an argument
        return str(error)
    return None


def _is_unsupported(certificate: x509.Certificate) -> bool:
    oids = {certificate.signature_algorithm_oid, certificate.public_key_algorithm_oid}
    mappings = (extension.oid == MAPPINGS and extension.critical for extension in certificate.extensions)
    return not oids.isdisjoint(_ED25519) or any(mappings)


def _has_unsupported_constraints(path: Sequence[x509.Certificate]) -> bool:
    """Say whether *path* has constraints that cryptography cannot compare; the module `constraints` checks those.

    cryptography supports no names with underscores, no constraints that are empty or start with a dot (as OpenSSL's
    manual writes them), and no constraints on directory names and URIs.
    """
    limits = [subtree for certificate in path[1:] for subtree in _subtrees(certificate)]
    names = [name for certificate in path for name in value(certificate, x509.SubjectAlternativeName) or ()]
    hosts = [name.value for name in (*limits, *names) if isinstance(name, x509.DNSName)]
    return bool(limits) and (
        any(isinstance(subtree, x509.DirectoryName | x509.UniformResourceIdentifier) for subtree in limits)
        or any(not host or host.startswith(".") or "_" in host for host in hosts)
    )


def _subtrees(certificate: x509.Certificate) -> list[x509.GeneralName]:
    limits = value(certificate, x509.NameConstraints)
    return [*(limits.permitted_subtrees or ()), *(limits.excluded_subtrees or ())] if limits else []


def _subject(leaf: x509.Certificate, domain: Name | None) -> Subject | None:
    """Return *domain*, or without it a name of *leaf*; None if cryptography cannot verify for that name."""
    names = value(leaf, x509.SubjectAlternativeName) or ()
    hosts = [name.value for name in names if isinstance(name, x509.DNSName) and "_" not in name.value]
    if domain is not None:
        return _asked(domain)
    addresses = (name for name in names if isinstance(name, x509.IPAddress))
    return _asked(hosts[0]) if hosts else next(addresses, None)


def _asked(name: str) -> Subject | None:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return None if "_" in name else x509.DNSName("any." + name[2:] if is_wildcard(name) else name)
