"""The names that a certificate is for: those of its subjectAltName, for which visitors come (RFC 9525)."""

import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from cryptography import x509
from publicsuffixlist import PublicSuffixList

from shared.certificates import covers
from shared.judging.certificate.reading import extension
from shared.judging.model import Finding, Rule
from shared.judging.phrases import called, listed, shown
from shared.names import MAX_LABEL_LENGTH, MAX_NAME_LENGTH, Name, is_wildcard

MAX_NAMES: Final = 2000  # the most that a public authority sells in one certificate

NO_NAMES: Final = Rule(
    code="leaf_no_names",
    source="CABF BR section 7.1.2.7.12",
    summary="the server's certificate has its names in subjectAltName; a common name alone is not read by clients",
)
TOO_MANY_NAMES: Final = Rule(
    code="leaf_too_many_names",
    source="product rule",
    summary=f"the server's certificate has at most {MAX_NAMES} names",
)
BAD_NAME: Final = Rule(
    code="leaf_bad_name",
    source="RFC 5280 section 4.2.1.6",
    summary="every DNS name is one: A-labels of letters, digits and hyphens, no address, no dot at an end",
)
BAD_WILDCARD: Final = Rule(
    code="leaf_bad_wildcard",
    source="RFC 9525 section 6.3, CABF BR section 3.2.2.6",
    summary="a wildcard is the whole left-most label, and below a name that somebody registered",
)
NO_USABLE_NAME: Final = Rule(
    code="leaf_no_usable_name",
    source="RFC 9525 section 6.1",
    summary="at least one name is that of a host or an address",
)
NOT_CRITICAL: Final = Rule(
    code="leaf_names_not_critical",
    source="RFC 5280 section 4.2.1.6",
    summary="without a subject, subjectAltName is critical",
)
NOT_COVERED: Final = Rule(
    code="domain_not_covered",
    source="RFC 9525 section 6",
    summary="the certificate is for the domain that was asked for",
)
NAME_UNUSABLE: Final = Rule(
    code="name_unusable",
    source="RFC 1123 section 2.1",
    summary="no name has an underscore, as no host name has",
    is_warning=True,
)
ADDRESSES_ONLY: Final = Rule(
    code="addresses_only",
    source="RFC 6066 section 3",
    summary="the certificate has a host name: visitors ask for one (SNI), never for an address",
    is_warning=True,
)
RULES: Final = (
    NO_NAMES,
    TOO_MANY_NAMES,
    BAD_NAME,
    BAD_WILDCARD,
    NO_USABLE_NAME,
    NOT_CRITICAL,
    NOT_COVERED,
    NAME_UNUSABLE,
    ADDRESSES_ONLY,
)

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")  # RFC 1123 section 2.1, and underscores


def examine(leaf: x509.Certificate, *, where: str, domain: Name | None) -> Iterator[Finding]:
    """Yield what is wrong with the names of *leaf*, which is readable, and whether *domain* is among them."""
    name = called(leaf, where)
    found = extension(leaf, x509.SubjectAlternativeName)
    if found is None or not len(found.value):  # its length is that of the list of names
        text = f"{name} has no subjectAltName; clients look for the host's name there only. Have it issued anew with it"
        yield NO_NAMES.found(text, where=where)
        return
    if not found.critical and not leaf.subject.rdns:
        text = f"{name} has no subject, so its subjectAltName must be marked as critical; have it issued anew"
        yield NOT_CRITICAL.found(text, where=where)
    if len(found.value) > MAX_NAMES:
        text = f"{name} has {len(found.value):,} names; {MAX_NAMES:,} at most are taken. Split them up"
        yield TOO_MANY_NAMES.found(text, where=where)
        return
    hosts = [host.lower() for host in found.value.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in found.value.get_values_for_type(x509.IPAddress)]
    yield from _flaws(hosts, addresses, name, where)
    if domain is not None and not is_for(domain, hosts, addresses):
        text = f"{name} is not for {shown(domain)}; it is for {listed([*hosts, *addresses])}"
        yield NOT_COVERED.found(text, where=where)


def is_for(domain: Name, hosts: list[str], addresses: list[str]) -> bool:
    """Say whether a certificate for *hosts* and *addresses* may be shown for *domain*, a host name or an address."""
    try:
        return str(ipaddress.ip_address(domain)) in addresses
    except ValueError:
        return covers(hosts, domain)


def _flaws(hosts: list[str], addresses: list[str], name: str, where: str) -> Iterator[Finding]:
    usable = False
    for host in hosts:
        flaw = _flaw(host)
        if flaw is not None:
            text = f"{name} has the name {_quoted(host)}, {flaw}; have it issued anew without"
            yield BAD_WILDCARD.found(text, where=where) if "*" in host else BAD_NAME.found(text, where=where)
        elif "_" in host:
            text = f"{name} has the name {_quoted(host)}; no host name has an underscore, so it cannot be served"
            yield NAME_UNUSABLE.found(text, where=where)
        else:
            usable = True
    if not usable and not addresses:
        text = f"{name} has no name of a host in its subjectAltName, so nobody could be shown it"
        yield NO_USABLE_NAME.found(text, where=where)
    elif not usable and not hosts:
        text = f"{name} is for addresses only ({listed(addresses)}); visitors ask for host names, so it is never shown"
        yield ADDRESSES_ONLY.found(text, where=where)


def _flaw(host: str) -> str | None:
    """Return what is wrong with *host* as a DNS name of a certificate; an underscore is not told of here."""
    base = host.removeprefix("*.")
    labels = base.split(".")
    flaws = {
        "which is empty": not host.strip(),
        "whose wildcard is not the whole left-most label": "*" in base,
        "which is not in A-labels (xn--...)": not host.isascii(),
        "which is an IP address; as one it would be an iPAddress, not a dNSName": labels[-1].isdigit() or ":" in host,
        "which has an empty label: two dots, or one at an end": "" in labels,
        f"which has more than {MAX_NAME_LENGTH} characters": len(host) > MAX_NAME_LENGTH,
        "which is no name of a host": not all(_is_label(label) for label in labels),
    }
    flaw = next((flaw for flaw, is_there in flaws.items() if is_there), None)
    return flaw or (_wildcard_flaw(base) if is_wildcard(host) else None)


def _is_label(text: str) -> bool:
    return len(text) <= MAX_LABEL_LENGTH and _LABEL.fullmatch(text) is not None


def _wildcard_flaw(base: str) -> str | None:
    if "." not in base:
        return "a wildcard for a whole top-level domain, which clients refuse"
    if _suffixes().publicsuffix(base) == base:
        return f"a wildcard for all that is registered under {shown(base)}, which clients refuse"
    return None


def _quoted(host: str) -> str:
    return ascii(host if len(host) <= 80 else host[:77] + "...")  # noqa: PLR2004 - what fits a line


@cache
def _suffixes() -> PublicSuffixList:
    # Browsers leave the list's private part out: *.s3.amazonaws.com is a certificate that exists.
    return PublicSuffixList(accept_unknown=False, only_icann=True)
