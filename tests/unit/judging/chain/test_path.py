"""The path from the leaf upwards: rules for the authorities, their limits and their signatures."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.builders.judging import der
from tests.builders.judging.certificates import (
    AT,
    DAY,
    HOST,
    alternatives,
    authority,
    constraints,
    ec_key,
    ed25519_key,
    issue,
    named,
    purposes,
    raw_extensions,
    rewritten,
    rsa_key,
    unknown,
    usage,
)
from tests.builders.judging.chains import INTER, LEAF, ROOT, examined, reason, reasons

pytestmark = pytest.mark.filterwarnings("ignore")  # `judge` suppresses cryptography's warnings


def broken(code: str, **other: Any) -> Any:
    return pytest.param(code, other, id=f"{code} {' '.join(map(str, other))}")


@pytest.mark.parametrize(
    ("code", "how"),
    [
        broken("chain_expired", not_after=AT - DAY),
        broken("chain_not_yet_valid", not_before=AT + DAY, not_after=AT + 2 * DAY),
        broken("chain_not_an_authority", extensions={x509.BasicConstraints: None}),
        broken(
            "chain_not_an_authority",
            extensions={x509.BasicConstraints: (x509.BasicConstraints(ca=False, path_length=None), True)},
        ),
        broken(
            "chain_constraints_not_critical",
            extensions={x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=None), False)},
        ),
        broken("chain_may_not_sign", extensions={x509.KeyUsage: (usage("digital_signature", "crl_sign"), True)}),
        broken("chain_not_for_servers", more=[(purposes(ExtendedKeyUsageOID.CLIENT_AUTH), False)]),
        broken("chain_not_for_servers", more=[(purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), False)]),
        broken("chain_unknown_critical_extension", more=[(unknown(), True)]),
        broken("chain_malformed", more=[(unknown("1.3.6.1.5.5.7.1.1", b"junk"), False)]),
        broken(
            "chain_wrongly_critical_extension",
            extensions={x509.AuthorityKeyIdentifier: (x509.AuthorityKeyIdentifier(b"1", None, None), True)},
        ),
        broken("chain_weak_key", key=rsa_key(1024)),
        broken("chain_weak_key", key=ec_key(5, ec.SECP224R1())),
        broken("chain_weak_key", key=ec_key(5, ec.SECP256K1())),
        broken("chain_forbidden_name", more=[(constraints(permitted=["example.org"]), True)]),
        broken("chain_forbidden_name", more=[(constraints(excluded=["example.com"]), False)]),
        broken("chain_bad_name_constraints", more=[(constraints(excluded=[x509.DNSName("example..com")]), True)]),
        broken("chain_malformed", more=[(unknown("2.5.29.30", b"\x30\x00"), True)]),
        broken("chain_malformed", more=[(unknown("2.5.29.33", b"\x30\x01"), False)]),
        broken(
            "chain_too_many_constraints",
            more=[(constraints(excluded=[f"h{number}.test" for number in range(60_000)]), True)],
        ),
    ],
)
def test_an_authority_that_clients_refuse_is_a_reason_against_the_bundle(code: str, how: dict[str, Any]) -> None:
    inter = authority("Inter", by=ROOT, **how)
    leaf = issue(by=inter)

    for line, trust in (((leaf, inter), None), ((leaf, inter, ROOT), None), ((leaf, inter), [ROOT])):
        found = reasons(*line, trust=trust)
        assert set(found) & {code} or (code == "chain_not_an_authority" and "chain_second_leaf" in found), found


@pytest.mark.parametrize(
    "how",
    [
        {"extensions": {x509.KeyUsage: None}},
        {"extensions": {x509.SubjectKeyIdentifier: None}},
        {"extensions": {x509.KeyUsage: (usage("key_cert_sign"), False)}},
        {"more": [(purposes(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH), True)]},
        {"more": [(constraints(permitted=["example.com", "example.org"]), True)]},
        {"more": [(constraints(permitted=[".example.com"]), True)]},
        {"more": [(constraints(permitted=[x509.DirectoryName(x509.Name([]))]), True)]},
        {"more": [(x509.PolicyConstraints(require_explicit_policy=None, inhibit_policy_mapping=0), True)]},
        {"more": [(x509.InhibitAnyPolicy(0), True)]},
        {"more": [(x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3"), None)]), True)]},
        {"more": [(unknown("1.3.6.1.4.1.311.21.1", b"\x02\x01\x00"), False)]},  # Active Directory's version of a CA
        {"more": [(alternatives("ca.example.com"), False)]},
        {"key": rsa_key(2048)},
        {"key": ec_key(6, ec.SECP384R1())},
        {"key": ec_key(6, ec.SECP521R1())},
        {"key": ed25519_key(6)},
        {"path_length": 0},
    ],
)
def test_the_features_of_private_authorities_are_accepted(how: dict[str, Any]) -> None:
    inter = authority(named("Inter", O="Grüße & Co.", C="DE"), by=ROOT, **how)
    leaf = issue(by=inter)

    for line, trust in (((leaf, inter), None), ((leaf, inter, ROOT), None), ((leaf, inter), [ROOT])):
        assert reasons(*line, trust=trust) == []


def test_a_constraint_may_apply_to_a_name_with_an_underscore() -> None:
    inter = authority("Inter", by=ROOT, more=[(constraints(permitted=["example.com"]), True)])
    leaf = issue(by=inter, names=[HOST, "my_host.example.com"])

    assert reasons(leaf, inter, trust=[ROOT]) == []


def test_the_instant_may_be_in_any_time_zone() -> None:
    zone = timezone(timedelta(hours=14))
    ends = issue(by=INTER, not_after=AT)

    assert reasons(ends, INTER, at=AT.astimezone(zone)) == []


@pytest.mark.parametrize(
    "how",
    [
        {"extensions": {x509.KeyUsage: None}},  # as `openssl req -x509` makes it
        {"extensions": {x509.SubjectKeyIdentifier: None, x509.KeyUsage: None}},
        {"key": ed25519_key(7)},
        {"more": [(purposes(ExtendedKeyUsageOID.SERVER_AUTH), False)]},
        {"not_before": datetime(1999, 1, 1, tzinfo=UTC), "not_after": datetime(2060, 1, 1, tzinfo=UTC)},
    ],
)
def test_an_unusual_private_root_is_accepted(how: dict[str, Any]) -> None:
    root = authority("Old Root", **how)
    leaf = issue(
        by=root, extensions={x509.AuthorityKeyIdentifier: (x509.AuthorityKeyIdentifier(None, None, None), False)}
    )

    assert reasons(leaf, root) == []
    assert reasons(leaf, trust=[root]) == []


def test_the_signature_and_serial_number_of_a_trust_anchor_do_not_matter() -> None:
    sha1 = der.sequence(der.oid("1.2.840.10045.4.1"))
    old = rewritten(ROOT, serial=b"\0", algorithm=sha1)
    leaf = issue(by=old)

    assert reasons(leaf, old) == []
    assert reasons(leaf, trust=[old]) == []


def test_a_weak_signature_on_an_intermediate_is_refused() -> None:
    weak = rewritten(INTER, by=ROOT, algorithm=der.sequence(der.oid("1.2.840.10045.4.1")))

    assert reasons(LEAF, weak) == ["chain_weak_signature"]
    assert reasons(LEAF, weak, ROOT) == ["chain_weak_signature"]


@pytest.mark.parametrize(("length", "codes"), [(None, []), (1, []), (0, ["chain_too_long"])])
def test_a_path_length_limits_the_authorities_below_it(length: int | None, codes: list[str]) -> None:
    top = authority("Top", path_length=length)
    inter = authority("Inter", by=top, path_length=5)
    line = (issue(by=inter), inter, top)

    assert reasons(*line) == codes
    assert reasons(*line, trust=[top]) == codes


def test_a_path_length_does_not_count_self_issued_authorities() -> None:
    top = authority("Top", path_length=1)
    inter = authority("Inter", by=top)
    renewed = authority("Inter", by=inter, key=ec_key(11))
    lower = authority("Lower", by=renewed)

    assert reasons(issue(by=renewed), renewed, inter, top) == []
    assert reasons(issue(by=lower), lower, renewed, inter, top) == ["chain_too_long"]


def test_each_certificate_with_a_flaw_is_reported() -> None:
    old = authority("Root", not_after=AT - DAY)
    inter = authority("Inter", by=old, not_after=AT - DAY, extensions={x509.KeyUsage: (usage("crl_sign"), True)})

    found = [(finding.code, finding.where) for finding in examined(issue(by=inter), inter, old).findings[:3]]

    assert found == [
        ("chain_expired", "certificate 2 (line 40)"),
        ("chain_expired", "certificate 3 (line 60)"),
        ("chain_may_not_sign", "certificate 2 (line 40)"),
    ]


@pytest.mark.parametrize("kind", [dsa.generate_private_key(1024), ed448.Ed448PrivateKey.generate()])
def test_a_root_with_a_key_outside_the_list_is_refused(kind: Any) -> None:
    digest = hashes.SHA256() if isinstance(kind, dsa.DSAPrivateKey) else None
    root = authority("Root", key=kind, digest=digest)
    leaf = issue(by=root, digest=digest)

    assert "chain_weak_key" in reasons(leaf, root)
    assert "chain_weak_key" in reasons(leaf, trust=[root])


def test_a_duplicate_extension_is_the_only_finding_about_its_certificate() -> None:
    raw = raw_extensions(INTER)
    twice = rewritten(INTER, by=ROOT, extensions=[*raw, raw[0]])

    assert reasons(LEAF, twice, ROOT) == ["chain_extension_twice"]


def test_a_key_identifier_of_another_key_than_the_issuers_is_refused() -> None:
    other: Any = {x509.AuthorityKeyIdentifier: (x509.AuthorityKeyIdentifier(b"1" * 20, None, None), False)}
    by_serial = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(named("Root"))], 12345)
    inter = authority("Inter", by=ROOT, extensions=other)

    assert reasons(issue(by=INTER, extensions=other), INTER) == ["chain_wrong_key_identifier"]
    assert reasons(issue(by=inter), inter, ROOT) == ["chain_wrong_key_identifier"]
    assert reasons(issue(by=inter), inter, trust=[ROOT]) == ["chain_wrong_key_identifier"]
    assert reasons(issue(by=ROOT, extensions={x509.AuthorityKeyIdentifier: (by_serial, False)}), ROOT) == [
        "chain_wrong_key_identifier"
    ]


def test_the_path_validator_refuses_a_chain_that_no_other_rule_refuses() -> None:
    # RFC 5280 section 4.1.2.5: dates before 2050 must be UTCTime
    dates = der.sequence(der.tlv(0x18, b"20261111120000Z"), der.tlv(0x18, b"20270209120000Z"))
    leaf = rewritten(LEAF, by=INTER, validity=dates)

    assert reasons(leaf, INTER) == ["chain_invalid"]
    assert reason(leaf, INTER).startswith(
        "the chain does not pass path validation by the library cryptography, which reports: validation failed"
    )
