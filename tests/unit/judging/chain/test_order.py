"""The order of the certificates of a bundle."""

import itertools

import pytest

from shared.judging.chain.chain import ChainResult
from tests.builders.judging import der
from tests.builders.judging.certificates import AT, DAY, HOST, authority, ec_key, issue, rewritten
from tests.builders.judging.chains import FOREIGN, INTER, LEAF, ROOT, examined, reason, reasons, warned

pytestmark = pytest.mark.filterwarnings("ignore")  # `judge` suppresses cryptography's warnings


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
