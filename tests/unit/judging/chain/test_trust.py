"""The end of the path: given roots, public roots, and private ones."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from shared.judging.certificate import profile
from shared.judging.chain import authorities, roots, verifier
from shared.judging.chain.authorities import Path as AuthorityPath
from tests.builders.judging import der
from tests.builders.judging.certificates import AT, DAY, HOST, authority, ec_key, issue, rewritten, unknown
from tests.builders.judging.chains import FOREIGN, INTER, LEAF, ROOT, examined, reason, reasons, warned

pytestmark = pytest.mark.filterwarnings("ignore")  # `judge` suppresses cryptography's warnings

PUBLIC: Final = x509.load_pem_x509_certificates(
    (Path(__file__).parents[3] / "data" / "public" / "lets_encrypt_2022.pem").read_bytes()
)
NOVEMBER_2022: Final = datetime(2022, 11, 1, tzinfo=UTC)
DOMAIN_VALIDATED = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.23.140.1.2.1"), None)])


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
