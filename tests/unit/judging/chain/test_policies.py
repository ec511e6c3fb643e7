"""Certificate policies: a certificate has one if an authority above it requires one."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from shared.judging.chain.policies import unmet
from tests.builders.judging import der
from tests.builders.judging.certificates import Issued, authority, issue, unknown

ANY = "2.5.29.32.0"
ROOT = authority("Root")


def policies(*oids: str) -> Any:
    listed = [x509.PolicyInformation(ObjectIdentifier(oid), None) for oid in oids]
    return [(x509.CertificatePolicies(listed), False)] if oids else []


def demand(explicit: int | None = 0, mapping: int | None = None) -> Any:
    return [(x509.PolicyConstraints(require_explicit_policy=explicit, inhibit_policy_mapping=mapping), True)]


def inhibit(number: int) -> Any:
    return [(x509.InhibitAnyPolicy(number), True)]


def mapping(*pairs: tuple[str, str]) -> Any:
    value = der.sequence(*(der.sequence(der.oid(own), der.oid(other)) for own, other in pairs))
    return [(unknown("2.5.29.33", value), True)]


def path(*lower: Any, top: Issued = ROOT) -> list[x509.Certificate]:
    """Return a path; *lower* has the extensions of each certificate below the root, the leaf's last."""
    line = [top]
    for number, more in enumerate(lower[:-1]):
        line.append(authority(f"Inter {number}", by=line[-1], more=more))
    line.append(issue(by=line[-1], more=lower[-1]))
    return [issued.certificate for issued in reversed(line)]


@pytest.mark.parametrize(
    ("lower", "lacking"),
    [
        ([[], []], None),
        ([policies("1.2.3"), []], None),
        ([policies("1.2.3"), policies("1.2.4")], None),
        ([policies("1.2.3") + demand(), policies("1.2.3")], None),
        ([policies("1.2.3", "1.2.4") + demand(), policies("1.2.4", "1.2.5")], None),
        ([policies(ANY) + demand(), policies("1.2.3")], None),
        ([policies("1.2.3") + demand(), policies(ANY)], None),
        ([policies("1.2.3") + demand(), policies("1.2.4")], 0),
        ([policies("1.2.3") + demand(), []], 0),
        ([demand(), policies("1.2.3")], 0),
        ([policies("1.2.3") + demand(5), []], None),
        ([policies("1.2.3") + demand(1), []], 0),
        ([policies("1.2.3") + demand(2), []], None),
        ([policies("1.2.3") + demand(1), policies("1.2.3"), []], 0),
        ([policies("1.2.3") + demand(0), [], policies("1.2.3")], 1),
        ([policies("1.2.3") + demand() + inhibit(0), policies(ANY)], 0),
        ([policies("1.2.3") + demand() + inhibit(1), policies(ANY)], None),
        ([policies("1.2.3") + demand() + inhibit(1), policies(ANY), policies(ANY)], 0),
        ([policies("1.2.3") + mapping(("1.2.3", "1.2.4")) + demand(), policies("1.2.4")], None),
        ([policies("1.2.3") + mapping(("1.2.3", "1.2.4")) + demand(), policies("1.2.3")], 0),
        ([policies(ANY) + mapping(("1.2.3", "1.2.4")) + demand(), policies("1.2.4")], None),
        (
            [demand(0, 0) + policies("1.2.3"), policies("1.2.3") + mapping(("1.2.3", "1.2.4")), policies("1.2.4")],
            0,
        ),
        ([policies("1.2.3"), demand()], 0),
        ([policies("1.2.3"), policies("1.2.3") + demand()], None),
    ],
)
def test_a_required_policy_must_be_present(lower: Any, lacking: int | None) -> None:
    assert unmet(path(*lower)) == lacking


def test_the_requirements_of_a_trust_anchor_are_ignored() -> None:
    assert unmet(path([], top=authority("Root", more=demand()))) is None


def test_a_self_issued_authority_does_not_count_down() -> None:
    first = authority("Inter", by=ROOT, more=policies("1.2.3") + demand(2))
    renewed = authority("Inter", by=first, key=authority("Other").key, more=policies("1.2.3"))
    line = [issue(by=renewed), renewed, first, ROOT]

    assert unmet([issued.certificate for issued in line]) is None
