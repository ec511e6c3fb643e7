"""Name constraints (RFC 5280 section 4.2.1.10): the names that certificates below an authority may have.

Wildcards also follow RFC 9525: a wildcard that covers an excluded name is excluded, and a wildcard that covers a name
that is not permitted is not permitted.
"""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from shared.judging.certificate.reading import is_self_issued, value
from shared.judging.phrases import shown
from shared.sentences import some_of

# The work is names times subtrees; this limit means 0.1 s. Go's limit is 250,000. No real authority comes near either.
MAX_COMPARISONS: Final = 100_000

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")


class Violation(Exception):  # noqa: N818 - the result of a check, not an error
    """A name that a constraint forbids; the text says which name and why."""


def violations(path: Sequence[x509.Certificate]) -> Iterator[tuple[int, int, str]]:
    """Yield, for each certificate in *path* (leaf first) that breaks a constraint, its index, the authority's and why.

    Only the first forbidden name of each pair is reported. An authority's constraints apply to every certificate below
    it, except self-issued ones in between (RFC 5280 section 6.1.3 (b)).

    Raises:
        One of UNREADABLE: an extension is damaged.
    """
    for authority, certificate in enumerate(path):
        constraints = value(certificate, x509.NameConstraints)
        if authority == 0 or constraints is None:
            continue
        for below in range(authority):
            if below > 0 and is_self_issued(path[below]):
                continue
            try:
                check(constraints, path[below])
            except Violation as violation:
                yield below, authority, str(violation)


def comparisons(path: Sequence[x509.Certificate]) -> int:
    """Return an upper bound for the comparisons of a name, or part of one, with a subtree that *path* needs."""
    names = total = 0
    for certificate in path:
        constraints = value(certificate, x509.NameConstraints)
        if constraints is not None:
            total += names * _weight((*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())))
        names += _weight(
            (x509.DirectoryName(certificate.subject), *(value(certificate, x509.SubjectAlternativeName) or ()))
        )
    return total


def malformed(constraints: x509.NameConstraints) -> str | None:
    """Return how *constraints* are malformed; None if they are not."""
    subtrees = [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]
    if not subtrees:
        return "they have neither a permitted nor an excluded subtree"
    for subtree in subtrees:
        if isinstance(subtree, x509.DNSName) and not _is_dns_constraint(subtree.value.lower()):
            return f"{shown(subtree.value)!r} is not a DNS name"
        if isinstance(subtree, x509.RFC822Name) and not _is_mail_constraint(subtree.value.lower()):
            return f"{shown(subtree.value)!r} is neither a mailbox nor a host of mailboxes"
    return None


def check(constraints: x509.NameConstraints, certificate: x509.Certificate) -> None:
    """Check that *constraints* allow every name of *certificate*.

    Raises:
        Violation: they forbid a name.
    """
    permitted, excluded = _by_kind(constraints.permitted_subtrees), _by_kind(constraints.excluded_subtrees)
    for name in _names(certificate):
        rivals = permitted.get(_kind(name))
        if rivals and not any(_is_within(name, subtree, every=True) for subtree in rivals):
            raise Violation(f"{_shown(name)} is not among the names it permits ({_some(rivals)})")
        for subtree in excluded.get(_kind(name), ()):
            if _is_within(name, subtree, every=False):
                raise Violation(f"{_shown(name)} is among the names it excludes ({_shown(subtree)})")


def _weight(names: Iterable[x509.GeneralName]) -> int:
    """Return the number of parts to compare in *names*: a directory name has many."""
    return sum(len(name.value.rdns) if isinstance(name, x509.DirectoryName) else 1 for name in names)


def _names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    alternatives = value(certificate, x509.SubjectAlternativeName)
    names = list(alternatives or ())
    if certificate.subject.rdns:
        names.append(x509.DirectoryName(certificate.subject))
    if alternatives is None:
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            try:
                names.append(x509.RFC822Name(str(attribute.value)))
            except ValueError as error:
                raise Violation(f"its subject has the e-mail address {attribute.value!a}: {error}") from None
    return names


def _by_kind(subtrees: Sequence[x509.GeneralName] | None) -> dict[object, list[x509.GeneralName]]:
    found = defaultdict(list)
    for subtree in subtrees or ():
        found[_kind(subtree)].append(subtree)
    return found


def _kind(name: x509.GeneralName) -> object:
    """Return the kind of *name*; only a name and a subtree of the same kind are compared."""
    return name.type_id if isinstance(name, x509.OtherName) else type(name)


def _is_within(name: x509.GeneralName, subtree: x509.GeneralName, *, every: bool) -> bool:
    """Say whether *name* lies in *subtree*: for a wildcard, every name that it covers if *every*, else any of them."""
    match name, subtree:
        case x509.DNSName(), x509.DNSName():
            return _is_dns_within(name.value.lower(), subtree.value.lower(), every=every)
        case x509.IPAddress(), x509.IPAddress():
            return _is_address_within(name.value, subtree.value)
        case x509.DirectoryName(), x509.DirectoryName():
            return _is_directory_within(name.value, subtree.value)
        case x509.UniformResourceIdentifier(), x509.UniformResourceIdentifier():
            return _is_host_within(_host_of(name.value), subtree.value.lower())
        case x509.RFC822Name(), x509.RFC822Name():
            return _is_mailbox_within(name.value.lower(), subtree.value.lower())
        case _:
            raise Violation(
                f"{_shown(name)} is of a kind that is constrained but that this check cannot compare,"
                " so it counts as forbidden (RFC 5280 section 4.2.1.10)"
            )


def _is_dns_constraint(text: str) -> bool:
    labels = text.removeprefix(".").split(".")  # OpenSSL's manual writes constraints with a leading dot
    return not text or all(_LABEL.fullmatch(label) for label in labels)


def _is_mail_constraint(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return _is_dns_constraint(host) and "@" not in local and bool(local) == bool(at)


def _is_dns_within(name: str, constraint: str, *, every: bool) -> bool:
    base = constraint.removeprefix(".")
    host = name.removeprefix("*.")
    below = not base or host.endswith("." + base)
    if host == name:
        return below or (host == base and constraint == base)
    if below or host == base:  # `*.example.com` covers only names below example.com
        return True
    return not every and constraint.partition(".")[2] == host and constraint == base


def _is_address_within(address: object, network: object) -> bool:
    if not isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
        raise Violation(f"it constrains addresses by {network}, which is not a range of addresses")
    return isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address) and address in network


def _is_directory_within(name: x509.Name, constraint: x509.Name) -> bool:
    wanted = [_comparable(part) for part in constraint.rdns]
    return [_comparable(part) for part in name.rdns[: len(wanted)]] == wanted


def _comparable(part: x509.RelativeDistinguishedName) -> frozenset[tuple[str, str | bytes]]:
    """Return *part* in the form for comparison, which ignores case and repeated spaces (RFC 5280 section 7.1)."""
    return frozenset(
        (
            attribute.oid.dotted_string,
            " ".join(attribute.value.casefold().split()) if isinstance(attribute.value, str) else attribute.value,
        )
        for attribute in part
    )


def _is_mailbox_within(mailbox: str, constraint: str) -> bool:
    local, _, host = mailbox.rpartition("@")
    if not local or "@" in local:
        raise Violation(f"{shown(mailbox)} is not a mailbox, so it cannot be compared with its constraints")
    return mailbox == constraint if "@" in constraint else _is_host_within(host, constraint)


def _is_host_within(host: str, constraint: str) -> bool:
    """Say whether *constraint* covers the *host* of a mailbox or URI: that host, or with a leading dot all below it."""
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint


def _host_of(uri: str) -> str:
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        host = ""
    if not host or host.replace(".", "").isdigit() or ":" in host:
        raise Violation(f"{shown(uri)} has no host name, so it cannot be compared with its constraints")
    return host


def _some(names: Sequence[x509.GeneralName]) -> str:
    return some_of([_shown(name) for name in names], most=3)


def _shown(name: x509.GeneralName) -> str:
    match name:
        case x509.DirectoryName():
            return shown(name.value.rfc4514_string())
        case x509.DNSName() | x509.RFC822Name() | x509.UniformResourceIdentifier():
            return shown(name.value) or "every name"
        case x509.OtherName():
            return f"the other name of type {name.type_id.dotted_string}"
        case _:
            return str(name.value)
