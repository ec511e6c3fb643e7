"""The rules for the leaf: what the server's own certificate must and must not say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tests.builders.judging import der
from tests.builders.judging.certificates import (
    AT,
    DAY,
    HOST,
    alternatives,
    constraints,
    issue,
    named,
    purposes,
    raw_extensions,
    rewritten,
    unknown,
    usage,
)
from tests.builders.judging.leaves import ROOT, examined, reasons, warned

pytestmark = pytest.mark.filterwarnings("ignore")  # `judge` suppresses cryptography's warnings

SECOND = timedelta(seconds=1)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
DOMAIN_VALIDATED = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.23.140.1.2.1"), None)])


def test_an_ordinary_certificate_is_accepted_without_a_warning() -> None:
    assert examined(issue(by=ROOT), domain=HOST) == []


def test_a_finding_names_the_certificate_and_the_remedy() -> None:
    (finding,) = examined(issue(by=ROOT, not_after=AT - DAY))

    assert finding.where == "certificate 1 (line 1)"
    assert finding.message == (
        "certificate 1 (CN=shop.example.com) expired on 2026-11-20 12:00:00 UTC; provide one that is valid at"
        " 2026-11-21 12:00:00 UTC"
    )


@pytest.mark.parametrize(
    ("extensions", "more"),
    [
        ({x509.KeyUsage: None, x509.BasicConstraints: None}, ()),
        ({x509.ExtendedKeyUsage: None}, ()),
        ({x509.ExtendedKeyUsage: (purposes(SERVER, CLIENT), True)}, ()),
        ({x509.ExtendedKeyUsage: (purposes(SERVER, ANY), False)}, ()),
        ({x509.KeyUsage: (usage("digital_signature", "key_encipherment", "key_agreement"), False)}, ()),
        ({x509.SubjectAlternativeName: (alternatives(HOST), True)}, ()),
        ({x509.SubjectKeyIdentifier: None}, ()),
        ({}, [(unknown(), False)]),
        # Active Directory: a template by number, application policies, a principal's name next to the host name
        ({}, [(x509.MSCertificateTemplate(ObjectIdentifier("1.3.6.1.4.1.311.21.8.1.2"), 100, 5), False)]),
        ({}, [(unknown("1.3.6.1.4.1.311.21.10", der.sequence(der.sequence(der.oid("1.3.6.1.5.5.7.3.1")))), False)]),
        (
            {
                x509.SubjectAlternativeName: (
                    alternatives(HOST, x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), der.tlv(0x0C, b"u"))),
                    False,
                )
            },
            (),
        ),
        ({}, [(x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3"), None)]), True)]),
    ],
)
def test_the_usual_extensions_of_good_certificates_are_accepted(extensions: Any, more: Any) -> None:
    assert examined(issue(by=ROOT, extensions=extensions, more=more)) == []


@pytest.mark.parametrize(
    ("code", "extensions", "more"),
    [
        ("leaf_is_authority", {x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=None), True)}, ()),
        ("leaf_may_sign", {x509.KeyUsage: (usage("digital_signature", "key_cert_sign"), True)}, ()),
        ("leaf_not_for_servers", {x509.ExtendedKeyUsage: (purposes(CLIENT), False)}, ()),
        ("leaf_not_for_servers", {x509.ExtendedKeyUsage: (purposes(ANY), False)}, ()),
        ("leaf_key_usage", {x509.KeyUsage: (usage("key_encipherment"), True)}, ()),
        ("leaf_no_authority_key_identifier", {x509.AuthorityKeyIdentifier: None}, ()),
        ("leaf_name_constraints", {}, [(constraints(permitted=[HOST]), False)]),
        ("leaf_must_staple", {}, [(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)]),
        ("leaf_unknown_critical_extension", {}, [(unknown(), True)]),
        ("leaf_unknown_critical_extension", {}, [(x509.PrecertPoison(), True)]),
        ("leaf_malformed", {}, [(unknown("1.3.6.1.5.5.7.1.1", b"junk"), False)]),
        ("leaf_no_names", {x509.SubjectAlternativeName: None}, ()),
        ("leaf_no_names", {x509.SubjectAlternativeName: (unknown("2.5.29.17", b"\x30\x00"), False)}, ()),
    ],
)
def test_an_extension_that_clients_refuse_is_a_reason_against_the_leaf(code: str, extensions: Any, more: Any) -> None:
    assert reasons(issue(by=ROOT, extensions=extensions, more=more)) == {code}


@pytest.mark.parametrize(
    "kind", [x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.AuthorityInformationAccess]
)
def test_an_extension_that_must_not_be_critical_is_refused_if_it_is(kind: Any) -> None:
    values = {
        x509.SubjectKeyIdentifier: x509.SubjectKeyIdentifier(b"1"),
        x509.AuthorityKeyIdentifier: x509.AuthorityKeyIdentifier(b"1", None, None),
        x509.AuthorityInformationAccess: x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(
                    ObjectIdentifier("1.3.6.1.5.5.7.48.1"), x509.UniformResourceIdentifier("http://o/")
                )
            ]
        ),
    }

    assert reasons(issue(by=ROOT, extensions={kind: (values[kind], True)})) == {"leaf_wrongly_critical_extension"}


def test_a_precertificate_is_recognised() -> None:
    (finding,) = examined(issue(by=ROOT, more=[(x509.PrecertPoison(), True)]))

    assert "is a precertificate" in finding.message


def test_a_duplicate_extension_is_named() -> None:
    good = issue(by=ROOT)
    raw = raw_extensions(good)

    (finding,) = examined(rewritten(good, by=ROOT, extensions=[*raw, raw[-1]]))

    assert finding.code == "leaf_extension_twice"
    assert "subjectAltName (2.5.29.17) twice" in finding.message


def test_only_version_3_is_accepted() -> None:
    assert reasons(rewritten(issue(by=ROOT), by=ROOT, version=1)) == {"leaf_not_version_3"}


@pytest.mark.parametrize("serial", [b"\0", b"\x80", b"\xff", b"\x01" * 21])
def test_a_serial_number_out_of_range_is_refused(serial: bytes) -> None:
    assert reasons(rewritten(issue(by=ROOT), by=ROOT, serial=serial)) == {"leaf_bad_serial_number"}


@pytest.mark.parametrize("serial", [b"\x01", b"\x7f" + b"\xff" * 19])
def test_a_serial_number_in_range_is_accepted(serial: bytes) -> None:
    assert reasons(rewritten(issue(by=ROOT), by=ROOT, serial=serial)) == set()


def test_a_certificate_without_an_issuer_is_refused() -> None:
    assert reasons(issue(by=ROOT, issuer=x509.Name([]))) == {"leaf_no_issuer"}


def test_a_certificate_without_a_subject_needs_critical_names() -> None:
    empty = x509.Name([])

    assert reasons(issue(empty, by=ROOT)) == {"leaf_names_not_critical"}
    assert reasons(issue(empty, by=ROOT, extensions={x509.SubjectAlternativeName: (alternatives(HOST), True)})) == set()


@pytest.mark.parametrize(
    ("algorithm", "says"),
    [
        (der.sequence(der.oid("1.2.840.10045.4.1")), "SHA-1"),
        (der.algorithm("1.2.840.113549.1.1.5"), "SHA-1"),
        (der.algorithm("1.2.840.113549.1.1.4"), "MD5"),
        (der.sequence(der.oid("1.2.840.10045.4.3.1")), "SHA-224"),
        (der.sequence(der.oid("2.16.840.1.101.3.4.3.10")), "SHA-3-256"),
        (der.sequence(der.oid("1.3.101.113")), "1.3.101.113"),
        (der.algorithm("1.2.3.4"), "1.2.3.4"),
    ],
)
def test_a_weak_signature_is_refused_with_the_name_of_its_algorithm(algorithm: bytes, says: str) -> None:
    (finding,) = examined(rewritten(issue(by=ROOT), by=ROOT, algorithm=algorithm))

    assert finding.code == "leaf_weak_signature"
    assert says in finding.message


def test_two_algorithms_for_one_signature_are_refused() -> None:
    sha384 = der.sequence(der.oid("1.2.840.10045.4.3.3"))

    assert reasons(rewritten(issue(by=ROOT), by=ROOT, outer_algorithm=sha384)) == {"leaf_two_algorithms"}


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        (AT - 10 * DAY, set()),
        (AT - 10 * DAY - SECOND, {"leaf_not_yet_valid"}),
        (AT - 10 * DAY - timedelta(milliseconds=1), {"leaf_not_yet_valid"}),
        (AT + 80 * DAY, set()),
        (AT + 80 * DAY + timedelta(milliseconds=5), set()),
        (AT + 80 * DAY + SECOND, {"leaf_expired"}),
    ],
)
def test_the_validity_includes_both_ends(at: datetime, codes: set[str]) -> None:
    assert reasons(issue(by=ROOT), at=at) == codes


@pytest.mark.parametrize(
    ("left", "lifetime", "is_soon"),
    [(29 * DAY, 90 * DAY, True), (31 * DAY, 90 * DAY, False), (3 * DAY, 6 * DAY, False), (DAY, 6 * DAY, True)],
)
def test_a_certificate_that_expires_soon_causes_a_warning(
    left: timedelta, lifetime: timedelta, *, is_soon: bool
) -> None:
    issued = issue(by=ROOT, not_before=AT + left - lifetime, not_after=AT + left)

    assert ("expires_soon" in warned(issued)) == is_soon


@pytest.mark.parametrize(
    ("issued_at", "days", "is_public", "is_long"),
    [
        (datetime(2020, 8, 31, tzinfo=UTC), 825, True, False),
        (datetime(2020, 9, 1, tzinfo=UTC), 398, True, False),
        (datetime(2020, 9, 1, tzinfo=UTC), 399, True, True),
        (datetime(2026, 3, 15, tzinfo=UTC), 201, True, True),
        (datetime(2027, 3, 15, tzinfo=UTC), 100, True, False),
        (datetime(2029, 3, 15, tzinfo=UTC), 48, True, True),
        (datetime(2026, 3, 15, tzinfo=UTC), 825, False, False),
        (datetime(2026, 3, 15, tzinfo=UTC), 826, False, True),
    ],
)
def test_a_lifetime_is_too_long_by_the_rules_of_its_issue_date(
    issued_at: datetime, days: int, *, is_public: bool, is_long: bool
) -> None:
    more = [(DOMAIN_VALIDATED, False)] if is_public else []
    issued = issue(by=ROOT, not_before=issued_at, not_after=issued_at + days * DAY - SECOND, more=more)

    assert ("long_lifetime" in warned(issued, at=issued_at)) == is_long


def test_a_self_signed_certificate_causes_a_warning() -> None:
    assert (reasons(issue()), warned(issue())) == (set(), {"self_signed"})


def test_a_self_issued_certificate_with_another_signer_is_not_self_signed() -> None:
    impostor = issue("Root", by=ROOT, extensions={x509.AuthorityKeyIdentifier: None})

    assert reasons(impostor) == {"leaf_no_authority_key_identifier"}


def test_control_characters_of_a_certificate_do_not_reach_the_terminal() -> None:
    evil = issue(named("\x1b[2J\nok", O="x" * 64, OU="y" * 64), by=ROOT, not_after=AT - DAY)

    (finding,) = examined(evil)

    assert finding.message.isprintable()
    assert len(finding.message) < 300


def test_a_country_of_three_letters_is_accepted() -> None:
    odd = rewritten(
        issue(by=ROOT),
        by=ROOT,
        subject=der.sequence(
            der.tlv(0x31, der.sequence(der.oid(NameOID.COUNTRY_NAME.dotted_string), der.tlv(0x13, b"DEU")))
        ),
    )

    assert reasons(odd) == set()
