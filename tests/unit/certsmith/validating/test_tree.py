"""A judgement as it is shown to people."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certsmith.terminal import Terminal
from certsmith.validating.tree import lines_of
from shared.certificates import CertificateFacts
from shared.judging import CertificateSummary, Judgement, Rule

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WRONG = Rule(code="something_wrong", source="product rule", summary="")
ODD = Rule(code="something_odd", source="product rule", summary="", is_warning=True)


def a_certificate(number: int, subject: str, issuer: str, **more: Any) -> CertificateSummary:
    values: dict[str, Any] = {
        "not_before": NOW - timedelta(days=10),
        "not_after": NOW + timedelta(days=80),
        "key": "ECDSA P-256",
        "is_self_signed": subject == issuer,
    }
    return CertificateSummary(number=number, subject=subject, issuer=issuer, **{**values, **more})


def a_judgement(*certificates: CertificateSummary, **more: Any) -> Judgement:
    return Judgement(**{"reasons": (), "warnings": (), "certificates": certificates, **more})


def shown(judgement: Judgement, capsys: pytest.CaptureFixture[str]) -> list[str]:
    Terminal(as_json=False).show({}, *lines_of(judgement, at=NOW))
    return capsys.readouterr().out.splitlines()


def drawn(judgement: Judgement, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return only the certificates' places in the tree."""
    return [line for line in shown(judgement, capsys) if "CN=" in line and "leads to" not in line]


LEAF, ISSUER, ROOT = (
    a_certificate(1, "CN=leaf", "CN=ca"),
    a_certificate(2, "CN=ca", "CN=root"),
    a_certificate(3, "CN=root", "CN=root"),
)


def test_the_root_is_at_the_top_and_the_leaf_at_the_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    assert drawn(a_judgement(LEAF, ISSUER, ROOT), capsys) == [
        "certificate 3  CN=root  root",
        "└── certificate 2  CN=ca",
        "    └── certificate 1  CN=leaf",
    ]


def test_an_issuer_that_is_not_in_the_bundle_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert drawn(a_judgement(LEAF, ISSUER), capsys)[0] == "CN=root  not in the bundle"
    assert drawn(a_judgement(LEAF, ISSUER, trust_anchor="CN=root"), capsys)[0] == (
        "CN=root  a trusted root, not in the bundle"
    )


def test_numbers_reveal_a_wrong_order(capsys: pytest.CaptureFixture[str]) -> None:
    swapped = a_judgement(LEAF, a_certificate(2, "CN=root", "CN=root"), a_certificate(3, "CN=ca", "CN=root"))

    assert drawn(swapped, capsys) == [
        "certificate 2  CN=root  root",
        "└── certificate 3  CN=ca",
        "    └── certificate 1  CN=leaf",
    ]


def test_an_unrelated_certificate_has_a_tree_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert drawn(a_judgement(LEAF, ISSUER, a_certificate(3, "CN=x", "CN=y")), capsys) == [
        "CN=root  not in the bundle",
        "└── certificate 2  CN=ca",
        "    └── certificate 1  CN=leaf",
        "CN=y  not in the bundle",
        "└── certificate 3  CN=x",
    ]


def test_certificates_that_signed_each_other_are_each_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    circle = a_judgement(
        a_certificate(1, "CN=a", "CN=b"), a_certificate(2, "CN=b", "CN=c"), a_certificate(3, "CN=c", "CN=a")
    )

    lines = drawn(circle, capsys)

    assert [sum(f"certificate {number}" in line for line in lines) for number in (1, 2, 3)] == [1, 1, 1]


def test_a_finding_is_shown_under_its_certificate(capsys: pytest.CaptureFixture[str]) -> None:
    judgement = a_judgement(
        LEAF,
        ISSUER,
        reasons=(WRONG.found("it is no CA", where="certificate 2 (line 15)"), WRONG.found("it is torn", where="key")),
        warnings=(ODD.found("it is old", where="certificate 1"),),
    )

    assert shown(judgement, capsys) == [
        "CN=root  not in the bundle",
        "└── certificate 2  CN=ca",
        "    ECDSA P-256, 2026-11-10 to 2027-02-08, 80 days left",
        "    error[something_wrong]: it is no CA",
        "    └── certificate 1  CN=leaf",
        "        ECDSA P-256, 2026-11-10 to 2027-02-08, 80 days left",
        "        warning[something_odd]: it is old",
        "key",
        "  error[something_wrong]: it is torn",
        "",
        "publicly trusted: no, leads to no known root",
        "refused: 2 errors, 1 warning",
    ]


def test_a_finding_about_a_certificate_outside_the_trees_is_shown_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    judgement = a_judgement(reasons=(WRONG.found("it is torn", where="certificate 1 (line 1)"),))

    assert shown(judgement, capsys)[:2] == ["certificate 1", "  error[something_wrong]: it is torn"]


def test_findings_about_bundle_and_key_are_shown_under_these(capsys: pytest.CaptureFixture[str]) -> None:
    places = ("block 3 (line 7)", "key, block 1 (line 1)", "line 9", "key", "bundle")
    judgement = a_judgement(reasons=tuple(WRONG.found(place, where=place) for place in places))

    assert shown(judgement, capsys)[:-2] == [
        "bundle",
        "  error[something_wrong]: block 3 (line 7)",
        "  error[something_wrong]: line 9",
        "  error[something_wrong]: bundle",
        "key",
        "  error[something_wrong]: key, block 1 (line 1)",
        "  error[something_wrong]: key",
    ]


def test_a_finding_about_a_given_root_is_shown_under_it(capsys: pytest.CaptureFixture[str]) -> None:
    old = WRONG.found("it is old", where="root (CN=ca)")

    lines = shown(a_judgement(LEAF, trust_anchor="CN=ca", reasons=(old,)), capsys)

    assert lines[:3] == [
        "CN=ca  a trusted root, not in the bundle",
        "error[something_wrong]: it is old",
        "└── certificate 1  CN=leaf",
    ]


def test_an_unreadable_bundle_is_shown_without_trust(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(a_judgement(reasons=(WRONG.found("?", where="bundle"),)), capsys)[-2:] == ["", "refused: 1 error"]


def test_the_leaf_is_shown_with_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    facts = CertificateFacts(
        names=tuple(f"shop{number}.example.com" for number in range(10)),
        not_before=NOW,
        not_after=NOW,
        serial_number="1f",
        fingerprint=b"\xab" * 32,
        issuer="CN=ca",
        key_type="ecdsa",
        public_key_spki=b"",
    )

    lines = shown(a_judgement(LEAF, facts=facts), capsys)

    assert any(line.endswith("shop6.example.com, shop7.example.com and 2 more") for line in lines)
    assert any(line.endswith("serial number 1f, SHA-256 " + "ab" * 32) for line in lines)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (-10, -3, "2026-11-10 to 2026-11-17, expired 3 days ago"),
        (1, 80, "2026-11-21 to 2027-02-08, not yet valid"),
        (-1, 1, "2026-11-19 to 2026-11-21, 1 day left"),
    ],
)
def test_the_validity_is_shown_as_of_the_time_of_the_judgement(
    capsys: pytest.CaptureFixture[str], first: int, last: int, said: str
) -> None:
    certificate = a_certificate(
        1, "CN=leaf", "CN=ca", not_before=NOW + timedelta(first), not_after=NOW + timedelta(last)
    )

    assert f"    ECDSA P-256, {said}" in shown(a_judgement(certificate), capsys)


def test_the_public_trust_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    trusted = a_judgement(LEAF, publicly_trusted=True, trust_anchor="CN=root", warnings=(ODD.found("", where="key"),))

    assert shown(trusted, capsys)[-2:] == ["publicly trusted: yes, leads to CN=root", "accepted, with 1 warning"]


def test_a_name_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "CN=\x1b[2Jaccepted\n\u202e[red]"

    lines = shown(a_judgement(a_certificate(1, hostile, hostile)), capsys)

    assert lines[0] == "certificate 1  CN=\ufffd[2Jaccepted\ufffd\ufffd[red]  root"
