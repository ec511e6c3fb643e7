"""The rules for the names that a certificate is for, which are those of its subjectAltName (RFC 9525)."""

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
    summary="the server's certificate has its names in subjectAltName; clients ignore the common name",
)
TOO_MANY_NAMES: Final = Rule(
    code="leaf_too_many_names",
    source="product rule",
    summary=f"the server's certificate has at most {MAX_NAMES} names",
)
BAD_NAME: Final = Rule(
    code="leaf_bad_name",
    source="RFC 5280 section 4.2.1.6",
    summary="every DNS name consists of A-labels of letters, digits and hyphens: no address, no dot at either end",
)
BAD_WILDCARD: Final = Rule(
    code="leaf_bad_wildcard",
    source="RFC 9525 section 6.3, CABF BR section 3.2.2.6",
    summary="a wildcard is the whole left-most label, and below a registered domain",
)
NO_USABLE_NAME: Final = Rule(
    code="leaf_no_usable_name",
    source="RFC 9525 section 6.1",
    summary="at least one name is a host name or an address",
)
NOT_CRITICAL: Final = Rule(
    code="leaf_names_not_critical",
    source="RFC 5280 section 4.2.1.6",
    summary="without a subject, subjectAltName is critical",
)
NOT_COVERED: Final = Rule(
    code="domain_not_covered",
    source="RFC 9525 section 6",
    summary="the certificate covers the requested domain",
)
NAME_UNUSABLE: Final = Rule(
    code="name_unusable",
    source="RFC 1123 section 2.1",
    summary="no name has an underscore, which host names cannot have",
    is_warning=True,
)
ADDRESSES_ONLY: Final = Rule(
    code="addresses_only",
    source="RFC 6066 section 3",
    summary="the certificate has a host name: clients ask for host names (SNI), never for addresses",
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
    """Yield the findings about the names of *leaf*, which is readable, and about their covering *domain*."""
    name = called(leaf, where)
    found = extension(leaf, x509.SubjectAlternativeName)
    if found is None or not len(found.value):  # the number of names
        text = (
            f"{name} has no subjectAltName, the only place where clients look for the host name; have it reissued with"
            " one"
        )
        yield NO_NAMES.found(text, where=where)
        return
    if not found.critical and not leaf.subject.rdns:
        text = (
            f"{name} has no subject, so its subjectAltName must be marked as critical; have it reissued with a subject"
            " or with that mark"
        )
        yield NOT_CRITICAL.found(text, where=where)
    if len(found.value) > MAX_NAMES:
        text = (
            f"{name} has {len(found.value):,} names; at most {MAX_NAMES:,} are accepted. Have the names split among"
            " several certificates"
        )
        yield TOO_MANY_NAMES.found(text, where=where)
        return
    hosts = [host.lower() for host in found.value.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in found.value.get_values_for_type(x509.IPAddress)]
    yield from _flaws(hosts, addresses, name, where)
    if domain is not None and not is_for(domain, hosts, addresses):
        covered = listed([*hosts, *addresses])
        text = f"{name} does not cover {shown(domain)}; it covers {covered}. Have one issued for that domain"
        yield NOT_COVERED.found(text, where=where)


def is_for(domain: Name, hosts: list[str], addresses: list[str]) -> bool:
    """Say whether a certificate for *hosts* and *addresses* covers *domain*, a host name or an address."""
    try:
        return str(ipaddress.ip_address(domain)) in addresses
    except ValueError:
        return covers(hosts, domain)


def _flaws(hosts: list[str], addresses: list[str], name: str, where: str) -> Iterator[Finding]:
    usable = False
    for host in hosts:
        flaw = _flaw(host)
        if flaw is not None:
            text = f"{name} has the name {_quoted(host)}, {flaw}; have it reissued without that name"
            yield BAD_WILDCARD.found(text, where=where) if "*" in host else BAD_NAME.found(text, where=where)
        elif "_" in host:
            text = f"{name} has the name {_quoted(host)}; host names have no underscores, so that name is never served"
            yield NAME_UNUSABLE.found(text, where=where)
        else:
            usable = True
    if not usable and not addresses:
        text = f"{name} has no host name in its subjectAltName, so it could never be served; have it reissued with one"
        yield NO_USABLE_NAME.found(text, where=where)
    elif not usable and not hosts:
        text = f"{name} is for addresses only ({listed(addresses)}); clients ask for host names, so it is never served"
        yield ADDRESSES_ONLY.found(text, where=where)


def _flaw(host: str) -> str | None:
    """Return the flaw of *host* as a DNS name of a certificate, None if it has none; underscores are allowed here."""
    base = host.removeprefix("*.")
    labels = base.split(".")
    flaws = {
        "which is empty": not host.strip(),
        "whose wildcard is not the whole left-most label": "*" in base,
        "which is not in A-labels (xn--...)": not host.isascii(),
        "which is an IP address; those belong in an iPAddress, not a dNSName": labels[-1].isdigit() or ":" in host,
        "which has an empty label: two dots, or a dot at an end": "" in labels,
        f"which has more than {MAX_NAME_LENGTH} characters": len(host) > MAX_NAME_LENGTH,
        "which is not a host name": not all(_is_label(label) for label in labels),
    }
    flaw = next((flaw for flaw, is_there in flaws.items() if is_there), None)
    return flaw or (_wildcard_flaw(base) if is_wildcard(host) else None)


def _is_label(text: str) -> bool:
    return len(text) <= MAX_LABEL_LENGTH and _LABEL.fullmatch(text) is not None


def _wildcard_flaw(base: str) -> str | None:
    if "." not in base:
        return "a wildcard for a whole top-level domain, which clients refuse"
    if _suffixes().publicsuffix(base) == base:
        return f"a wildcard for every domain registered under {shown(base)}, which clients refuse"
    return None


def _quoted(host: str) -> str:
    return ascii(host if len(host) <= 80 else host[:77] + "...")  # noqa: PLR2004 - what fits a line


@cache
def _suffixes() -> PublicSuffixList:
    # Browsers ignore the list's private part: there is a certificate for *.s3.amazonaws.com.
    return PublicSuffixList(accept_unknown=False, only_icann=True)
