"""Certificate policies (RFC 5280 section 6.1, in the form of RFC 9618 without its graph).

Any policy is acceptable. The only question is whether an authority requires that some policy be valid along its whole
path (policyConstraints, requireExplicitPolicy), and whether one is left at the leaf. Which one does not matter, so it
is enough to keep the set of policies that are possible at each certificate.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.x509.oid import CertificatePoliciesOID, ObjectIdentifier

from shared.judging import der
from shared.judging.certificate.reading import is_self_issued, value

MAPPINGS: Final = ObjectIdentifier("2.5.29.33")
_ANY: Final = CertificatePoliciesOID.ANY_POLICY.dotted_string

Policies = frozenset[str]


@dataclass(slots=True)
class _PolicyState:
    """The policies on the way down to the leaf; each number counts the certificates until its rule applies."""

    possible: Policies = field(default=frozenset({_ANY}))
    explicit: int = 1 << 16
    no_mapping: int = 1 << 16
    no_any: int = 1 << 16

    def enter(self, certificate: x509.Certificate, *, is_last: bool) -> None:
        """Restrict the possible policies to those of *certificate* (section 6.1.3 (d) and (e))."""
        policies = value(certificate, x509.CertificatePolicies)
        own = {policy.policy_identifier.dotted_string for policy in policies or ()}
        narrowed = {policy for policy in own - {_ANY} if policy in self.possible or _ANY in self.possible}
        if _ANY in own and (self.no_any > 0 or (not is_last and is_self_issued(certificate))):
            narrowed |= self.possible
        self.possible = frozenset(narrowed)

    def leave(self, certificate: x509.Certificate) -> None:
        """Apply the requirements of *certificate* on those below it (section 6.1.4 (a) to (j))."""
        for policy, others in mappings(certificate).items():
            if self.no_mapping > 0 and (policy in self.possible or _ANY in self.possible):
                self.possible = self.possible - {policy} | others
            else:
                self.possible -= {policy}
        if not is_self_issued(certificate):
            self.count()
        constraints = value(certificate, x509.PolicyConstraints)
        if constraints is not None and constraints.require_explicit_policy is not None:
            self.explicit = min(self.explicit, constraints.require_explicit_policy)
        if constraints is not None and constraints.inhibit_policy_mapping is not None:
            self.no_mapping = min(self.no_mapping, constraints.inhibit_policy_mapping)
        inhibited = value(certificate, x509.InhibitAnyPolicy)
        if inhibited is not None:
            self.no_any = min(self.no_any, inhibited.skip_certs)

    def count(self) -> None:
        """Count down by one certificate."""
        self.explicit, self.no_mapping, self.no_any = (
            max(number - 1, 0) for number in (self.explicit, self.no_mapping, self.no_any)
        )

    @property
    def fails(self) -> bool:
        """Whether a policy is required and none is left."""
        return self.explicit == 0 and not self.possible


def unmet(path: Sequence[x509.Certificate]) -> int | None:
    """Return the index of the certificate in *path* (leaf first, trust anchor last) that lacks a required policy.

    None means that no certificate does.

    Raises:
        One of UNREADABLE: an extension is damaged.
    """
    state = _PolicyState()
    for index in range(len(path) - 2, -1, -1):
        state.enter(path[index], is_last=index == 0)
        if state.fails:
            return index
        if index > 0:
            state.leave(path[index])
    own = value(path[0], x509.PolicyConstraints)
    state.count()
    if own is not None and own.require_explicit_policy == 0:
        state.explicit = 0
    return 0 if state.fails else None


def mappings(certificate: x509.Certificate) -> Mapping[str, Policies]:
    """Return, for each policy of *certificate*, its equivalents below that certificate (RFC 5280 section 4.2.1.5).

    Raises:
        NotDerError: the extension is damaged.
    """
    found: dict[str, Policies] = {}
    for own, other in _pairs(certificate):
        found[own] = found.get(own, frozenset()) | {other}
    return found


def _pairs(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    for extension in certificate.extensions:
        if extension.oid == MAPPINGS and isinstance(extension.value, x509.UnrecognizedExtension):
            for pair in der.whole(extension.value.value).expect(der.SEQUENCE).elements():
                own, other = (part.expect(der.OBJECT_IDENTIFIER) for part in pair.expect(der.SEQUENCE).elements())
                yield der.dotted(bytes(own.contents)), der.dotted(bytes(other.contents))
