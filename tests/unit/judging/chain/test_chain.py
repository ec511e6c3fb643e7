"""The certificates of a bundle together: their order, and the path to a root."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from shared.judging.certificate import profile
from shared.judging.chain import authorities, chain, roots, verifier
from shared.judging.chain.authorities import Path as AuthorityPath
from shared.judging.chain.chain import ChainResult
from shared.names import Name
from tests.builders.judging import der
from tests.builders.judging.certificates import (
    AT,
    DAY,
    HOST,
    Issued,
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

pytestmark = pytest.mark.filterwarnings("ignore")  # `judge` suppresses cryptography's warnings

PUBLIC: Final = x509.load_pem_x509_certificates(
    (Path(__file__).parents[3] / "data" / "public" / "lets_encrypt_2022.pem").read_bytes()
)
NOVEMBER_2022: Final = datetime(2022, 11, 1, tzinfo=UTC)
DOMAIN_VALIDATED = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.23.140.1.2.1"), None)])

ROOT = authority("Root")
INTER = authority("Inter", by=ROOT)
LEAF = issue(by=INTER)
FOREIGN = authority("Foreign")


def examined(
    *line: Issued | x509.Certificate,
    at: datetime = AT,
    domain: str | None = None,
    trust: Sequence[Issued | x509.Certificate] | None = None,
) -> ChainResult:
    return chain.examine(
        [_certificate(one) for one in line],
        [f"certificate {number} (line {20 * number})" for number in range(1, len(line) + 1)],
        at=at,
        domain=None if domain is None else Name(domain),
        trust=None if trust is None else [_certificate(one) for one in trust],
    )


def _certificate(one: Issued | x509.Certificate) -> x509.Certificate:
    return one.certificate if isinstance(one, Issued) else one


def reasons(*line: Any, **asked: Any) -> list[str]:
    return [finding.code for finding in examined(*line, **asked).findings if not finding.rule.is_warning]


def warned(*line: Any, **asked: Any) -> list[str]:
    return [finding.code for finding in examined(*line, **asked).findings if finding.rule.is_warning]


def reason(*line: Any, **asked: Any) -> str:
    (finding,) = [finding for finding in examined(*line, **asked).findings if not finding.rule.is_warning]
    return finding.message


# Order


def test_a_bundle_in_order_is_accepted_with_and_without_its_root() -> None:
    assert examined(LEAF, INTER) == ChainResult(findings=(), publicly_trusted=False, trust_anchor="CN=Inter")
    assert reasons(LEAF, INTER, ROOT) == []
    assert warned(LEAF, INTER, ROOT) == ["root_included"]
    assert examined(LEAF, INTER, ROOT).trust_anchor == "CN=Root"


def test_a_leaf_alone_is_accepted_from_a_private_authority() -> None:
    assert (reasons(LEAF), warned(LEAF)) == ([], ["issuer_left_out"])
    assert examined(LEAF).trust_anchor is None
    assert warned(issue(by=ROOT), trust=[ROOT]) == []


def test_an_authority_that_expires_before_the_leaf_causes_a_warning() -> None:
    short = authority("Inter", by=ROOT, not_after=AT + 20 * DAY)

    assert (reasons(issue(by=short), short), warned(issue(by=short), short)) == ([], ["authority_expires_first"])


def test_a_self_signed_leaf_is_its_own_trust_anchor() -> None:
    assert examined(issue()) == ChainResult(findings=(), trust_anchor=f"CN={HOST}")


def test_swapped_certificates_are_reported_by_number() -> None:
    assert reasons(LEAF, ROOT, INTER) == ["chain_wrong_order"]
    assert reason(LEAF, ROOT, INTER) == (
        "certificate 3 (CN=Inter) signed certificate 1 (CN=shop.example.com), not certificate 2 (CN=Root); each"
        " certificate must be followed by the one that signed it, and it looks as if certificate 2 and certificate 3"
        " were swapped"
    )


def test_a_longer_disorder_is_reported_with_the_right_order() -> None:
    lower = authority("Lower", by=INTER)

    assert reason(issue(by=lower), ROOT, lower, INTER).endswith(
        "and in the right order they are certificate 1, certificate 3, certificate 4, certificate 2"
    )


def test_a_second_leaf_is_reported_by_name() -> None:
    second = issue("other.example.com", by=INTER, names=["other.example.com"])

    for line in ((LEAF, second, INTER), (LEAF, INTER, second), (LEAF, second)):
        assert reasons(*line) == ["chain_second_leaf"]
    assert "certificate 3 (CN=other.example.com) is another server's certificate" in reason(LEAF, INTER, second)


def test_a_leaf_that_is_not_first_is_reported() -> None:
    for line in ((INTER, LEAF), (ROOT, INTER, LEAF), (INTER, LEAF, ROOT)):
        assert reasons(*line)[0] == "chain_leaf_not_first"
    assert "certificate 3 (CN=shop.example.com) is a server's" in examined(ROOT, INTER, LEAF).findings[0].message


def test_a_foreign_root_at_the_end_is_reported_with_the_root_that_belongs_there() -> None:
    assert reasons(LEAF, INTER, FOREIGN) == ["chain_stranger"]
    assert "was issued by CN=Root. Replace it with that issuer's certificate, or leave it out if" in reason(
        LEAF, INTER, FOREIGN
    )


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_stranger_is_reported_once_at_any_position(place: int) -> None:
    line = [LEAF, INTER, ROOT]
    line.insert(place, authority("Stranger", by=FOREIGN))

    assert reasons(*line) == ["chain_stranger"]


def test_strangers_that_signed_each_other_are_reported_once() -> None:
    assert reasons(LEAF, INTER, ROOT, authority("Stranger", by=FOREIGN), FOREIGN) == ["chain_stranger"]


@pytest.mark.parametrize("name", ["Inter", "Sibling"])
def test_another_authority_of_the_same_root_is_a_stranger(name: str) -> None:
    assert reasons(LEAF, INTER, authority(name, by=ROOT)) == ["chain_stranger"]


def test_a_second_way_to_a_root_is_a_stranger() -> None:
    crossed = authority("Inter", by=FOREIGN, key=INTER.key)

    assert reasons(LEAF, INTER, crossed) == ["chain_stranger"]
    assert "also signed certificate 1, but the bundle continues with certificate 2 (CN=Inter)" in reason(
        LEAF, INTER, crossed
    )
    assert reasons(LEAF, crossed, FOREIGN, INTER, ROOT) == ["chain_stranger"]


def test_a_missing_intermediate_is_named() -> None:
    assert reasons(LEAF, ROOT) == ["chain_incomplete"]
    assert reason(LEAF, ROOT) == (
        "certificate 2 (CN=Root) did not sign certificate 1 (CN=shop.example.com); CN=Inter did, whose certificate is"
        " missing. Insert that between the two, or remove certificate 2 if it does not belong here"
    )


def test_an_issuer_of_the_same_name_with_another_key_is_a_bad_signature() -> None:
    namesake = authority("Inter", by=ROOT, key=ec_key(99))

    assert reasons(LEAF, namesake, ROOT) == ["chain_bad_signature"]
    assert "its key did not make that signature" in reason(LEAF, namesake)


def test_an_altered_leaf_is_a_bad_signature() -> None:
    altered = rewritten(LEAF, by=INTER, serial=b"\x05", signature=LEAF.certificate.signature)

    assert reasons(altered, INTER, ROOT) == ["chain_bad_signature"]


def test_names_are_compared_byte_for_byte() -> None:
    printable = der.sequence(der.tlv(0x31, der.sequence(der.oid("2.5.4.3"), der.tlv(0x13, b"Inter"))))
    other = rewritten(INTER, by=ROOT, subject=printable)

    assert reasons(LEAF, other, ROOT) == ["chain_bad_signature"]
    assert "spells its name differently" in reason(LEAF, other)


def test_a_root_before_the_end_is_reported() -> None:
    again = authority("Root", by=FOREIGN, key=ROOT.key)

    assert reasons(LEAF, INTER, ROOT, again) == ["chain_root_not_last"]


def test_authorities_that_signed_each_other_do_not_loop_forever() -> None:
    one, other = authority("One"), authority("Other")
    by_other, by_one = authority("One", by=other, key=one.key), authority("Other", by=one, key=other.key)

    assert reasons(issue(by=one), by_other, by_one) == []
    assert reasons(issue(by=one), by_other, by_one, trust=[ROOT]) == ["chain_incomplete"]


def test_of_all_permutations_only_those_in_order_are_accepted() -> None:
    upper = authority("Upper", by=ROOT)
    lower = authority("Lower", by=upper)
    right = (issue(by=lower), lower, upper, ROOT)
    known = dict(zip(right, ("leaf", "lower", "upper", "root"), strict=True)) | {FOREIGN: "foreign"}

    good = [
        [known[one] for one in line]
        for length in range(1, 6)
        for line in itertools.permutations(known, length)
        if line[0] is right[0] and not reasons(*line)
    ]

    assert good == [["leaf"], ["leaf", "lower"], ["leaf", "lower", "upper"], ["leaf", "lower", "upper", "root"]]


# The path


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


# Trust


def test_with_trust_the_chain_must_lead_to_a_given_root() -> None:
    for line in ((LEAF, INTER), (LEAF, INTER, ROOT)):
        result = examined(*line, trust=[FOREIGN, ROOT])
        assert (result.trust_anchor, result.publicly_trusted) == ("CN=Root", False)
        assert reasons(*line, trust=[FOREIGN, ROOT]) == []


def test_with_trust_a_chain_to_another_root_is_refused() -> None:
    assert reasons(LEAF, INTER, ROOT, trust=[FOREIGN]) == ["chain_untrusted"]
    assert reasons(LEAF, INTER, ROOT, trust=[]) == ["chain_untrusted"]
    assert "is a root, but none of the given roots (CN=Foreign)" in reason(LEAF, INTER, ROOT, trust=[FOREIGN])


def test_with_trust_the_missing_issuer_is_named() -> None:
    assert reasons(LEAF, trust=[ROOT]) == ["chain_incomplete"]
    assert reason(LEAF, trust=[ROOT]) == (
        "the chain ends with certificate 1 (CN=shop.example.com), issued by CN=Inter, which is none of the given roots"
        " (CN=Root); add the certificate of that issuer to the end of the bundle"
    )


def test_a_given_root_of_the_same_name_with_another_key_is_not_trusted_for_the_chain() -> None:
    assert reasons(LEAF, INTER, trust=[authority("Root", key=ec_key(98))]) == ["chain_untrusted"]


def test_an_intermediate_or_the_leaf_itself_may_be_a_given_root() -> None:
    itself = issue()

    assert reasons(LEAF, INTER, trust=[INTER]) == []
    assert reasons(itself, trust=[itself]) == []


def test_a_defective_certificate_beyond_a_known_root_only_causes_a_warning() -> None:
    crossed = authority("Root", by=FOREIGN, key=ROOT.key, not_after=AT - DAY)

    assert reasons(LEAF, INTER, crossed, trust=[ROOT]) == []
    assert warned(LEAF, INTER, crossed, trust=[ROOT]) == ["unneeded_certificate"]
    assert reasons(LEAF, INTER, crossed) == ["chain_expired"]


def test_one_good_path_of_two_is_enough() -> None:
    old = authority("Root", key=ROOT.key, not_after=AT - DAY)

    assert reasons(LEAF, INTER, trust=[old, ROOT]) == []
    assert reasons(LEAF, INTER, trust=[old]) == ["chain_expired"]


def test_a_given_root_with_unreadable_names_is_ignored() -> None:
    unnamed = der.sequence(der.tlv(0x31, der.sequence(der.oid("2.5.4.3"), der.tlv(0x0C, b"\xff"))))
    broken_roots = [rewritten(ROOT, issuer=unnamed), rewritten(ROOT, subject=unnamed)]

    assert reasons(LEAF, INTER, trust=[*broken_roots, ROOT]) == []
    assert reasons(LEAF, INTER, trust=broken_roots) == ["chain_incomplete"]


def test_a_flawed_root_outside_the_path_does_not_matter() -> None:
    assert reasons(LEAF, INTER, trust=[authority("Foreign", more=[(unknown(), True)]), ROOT]) == []


# Public


def test_a_public_chain_is_publicly_trusted() -> None:
    for line in (PUBLIC, PUBLIC[:2]):
        result = examined(*line, at=NOVEMBER_2022)
        assert result.findings == ()
        assert result.publicly_trusted
        assert result.trust_anchor == "CN=ISRG Root X1,O=Internet Security Research Group,C=US"


def test_a_public_chain_with_its_root_is_publicly_trusted() -> None:
    (root,) = roots.public()[PUBLIC[1].issuer.public_bytes()]
    result = examined(*PUBLIC[:2], root, at=NOVEMBER_2022)

    assert result.publicly_trusted
    assert [finding.code for finding in result.findings] == ["root_included"]


def test_a_public_chain_may_have_an_expired_cross_certificate_at_its_end() -> None:
    result = examined(*PUBLIC, at=datetime(2024, 12, 1, tzinfo=UTC))

    assert result.publicly_trusted
    assert [finding.code for finding in result.findings] == ["unneeded_certificate"]


def test_the_missing_intermediate_of_a_public_leaf_is_named() -> None:
    assert reasons(PUBLIC[0], at=NOVEMBER_2022) == ["chain_incomplete"]
    assert "issued by CN=R3, which is not a public root" in reason(PUBLIC[0], at=NOVEMBER_2022)
    assert reasons(PUBLIC[0], PUBLIC[2], at=NOVEMBER_2022) == ["chain_incomplete"]


def test_a_leaf_under_a_public_policy_must_reach_a_public_root_or_include_its_own() -> None:
    claims = issue(by=INTER, more=[(DOMAIN_VALIDATED, False)])

    assert reasons(claims) == ["chain_incomplete"]
    assert reasons(claims, INTER) == ["chain_incomplete"]
    assert reasons(claims, INTER, ROOT) == []
    assert reasons(claims, INTER, trust=[ROOT]) == []


def test_a_stranger_after_a_public_chain_is_refused() -> None:
    result = examined(*PUBLIC[:2], FOREIGN, at=NOVEMBER_2022)

    assert [finding.code for finding in result.findings] == ["chain_stranger"]
    assert not result.publicly_trusted


def test_given_roots_replace_the_public_roots() -> None:
    assert reasons(*PUBLIC, at=NOVEMBER_2022, trust=[ROOT]) == ["chain_incomplete"]


def test_a_given_root_may_be_a_public_one() -> None:
    (root,) = roots.public()[PUBLIC[1].issuer.public_bytes()]

    assert examined(*PUBLIC, at=NOVEMBER_2022, trust=[root]).publicly_trusted


def test_every_public_root_is_accepted_as_a_trust_anchor() -> None:
    leaf = issue(by=ROOT, extensions={x509.AuthorityKeyIdentifier: None}).certificate
    found = [root for namesakes in roots.public().values() for root in namesakes]

    assert len(found) > 100
    for root in found:
        path = AuthorityPath(certificates=[leaf, root], places=["1", "2"], is_anchored=True)
        middle = root.not_valid_before_utc + (root.not_valid_after_utc - root.not_valid_before_utc) / 2
        assert profile.examine(root, where="2", at=middle, leaf=False, anchor=True) == []
        assert authorities.examine(path) == []


@pytest.mark.parametrize("domain", [None, HOST, "other.example.com"])
def test_an_uncovered_domain_is_not_reported_as_a_flaw_of_the_chain(domain: str | None) -> None:
    assert reasons(LEAF, INTER, trust=[ROOT], domain=domain) == []


def test_the_second_opinion_refuses_an_expired_authority() -> None:
    expired = authority("Inter", by=ROOT, not_after=AT - DAY)
    path = [issued.certificate for issued in (issue(by=expired), expired, ROOT)]

    assert "not valid at validation time" in (verifier.refusal(path, at=AT, domain=None) or "")
    assert verifier.refusal([LEAF.certificate, INTER.certificate, ROOT.certificate], at=AT, domain=None) is None
