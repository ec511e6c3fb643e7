"""The check of a domain's DNS before the CA is asked."""

from ipaddress import ip_address

import pytest

from services.provisioner.rules.preflight import Platform, check
from services.provisioner.rules.reachability import DnsAnswer, DnsOutcome

LABEL = "rd-0123456789abcdefghijklmn"
OWN = f"{LABEL}.edge.example.net"
NAME = "shop.example.com"
OURS, THEIRS = ip_address("192.0.2.10"), ip_address("203.0.113.9")
BOTH = Platform(zone="edge.example.net", addresses=frozenset({OURS}))


def an_answer(outcome: DnsOutcome = DnsOutcome.FOUND, **facts: object) -> DnsAnswer:
    return DnsAnswer(**{"name": NAME, "outcome": outcome, "addresses": (OURS,), **facts})  # type: ignore[arg-type]  # facts are its fields


@pytest.mark.parametrize("may_have_name", [True, False])
def test_a_cname_to_its_own_target_proves_the_registration(may_have_name: bool) -> None:  # noqa: FBT001 - a parameter
    found = check(
        an_answer(cnames=(OWN,), addresses=(THEIRS,)), target_label=LABEL, platform=BOTH, may_have_name=may_have_name
    )

    assert found.points_here
    assert found.by_own_target


def test_a_target_counts_anywhere_in_the_chain_of_cnames() -> None:
    found = check(an_answer(cnames=("www.example.com", OWN)), target_label=LABEL, platform=BOTH, may_have_name=False)

    assert found.by_own_target


def test_one_of_our_addresses_is_enough_for_the_first_registration() -> None:
    found = check(an_answer(addresses=(THEIRS, OURS)), target_label=LABEL, platform=BOTH, may_have_name=True)

    assert found.points_here
    assert not found.by_own_target


def test_our_address_is_not_enough_for_a_second_registration() -> None:
    found = check(an_answer(), target_label=LABEL, platform=BOTH, may_have_name=False)

    assert not found.points_here
    assert "another tenant" in found.message
    assert OWN in found.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (an_answer(DnsOutcome.NXDOMAIN, addresses=()), "does not exist"),
        (an_answer(DnsOutcome.NO_DATA, addresses=()), "no address"),
        (an_answer(addresses=(THEIRS,)), "points to 203.0.113.9, which is not this platform"),
        (an_answer(DnsOutcome.LOOP, addresses=()), "lead nowhere"),
        (an_answer(DnsOutcome.SERVFAIL, addresses=()), "fail"),
        (an_answer(DnsOutcome.TIMEOUT, addresses=()), "do not answer"),
        (an_answer(cnames=("rd-other.edge.example.net",)), "belongs to another registration"),
    ],
)
def test_one_sentence_names_the_obstacle_and_the_missing_record(answer: DnsAnswer, words: str) -> None:
    found = check(answer, target_label=LABEL, platform=BOTH, may_have_name=True)

    assert not found.points_here
    assert words in found.message
    assert f"create the CNAME record {NAME} -> {OWN}" in found.message
    assert "192.0.2.10" in found.message
    assert "\n" not in found.message


def test_without_a_zone_an_address_record_is_asked_for() -> None:
    platform = Platform(zone=None, addresses=frozenset({OURS}))

    found = check(an_answer(addresses=(THEIRS,)), target_label=LABEL, platform=platform, may_have_name=True)

    assert f"create an address record for {NAME} with 192.0.2.10" in found.message


def test_without_addresses_any_address_is_left_to_the_ca() -> None:
    platform = Platform(zone="edge.example.net", addresses=frozenset())

    assert check(an_answer(addresses=(THEIRS,)), target_label=LABEL, platform=platform, may_have_name=True).points_here
