"""A key is opened only for the domain, tenant and leaf that it was sealed for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.terminator.control.offers import OfferRefusedError, Offers
from services.terminator.rules.selection import Domain
from shared.tls import MAX_CHAIN_BYTES, new_context, shown_bytes
from tests.fakes.terminator_store import Issuer, a_domain

SHOP = "shop.example.com"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "keys")


def offers_of(issuer: Issuer) -> Offers:
    return Offers(issuer.reader, lambda: datetime.now(UTC))


async def test_an_offer_makes_a_tls_context(issuer: Issuer) -> None:
    domain = issuer.domain(SHOP)

    offer = offers_of(issuer).offer(domain)

    assert offer is not None
    assert domain.automatic is not None
    assert offer.certificate_id == domain.automatic.id
    new_context(offer.chain, offer.key)


async def test_a_domain_without_a_certificate_gets_no_offer(issuer: Issuer) -> None:
    assert offers_of(issuer).offer(a_domain(SHOP)) is None


async def test_no_repr_shows_a_key(issuer: Issuer) -> None:
    offer = offers_of(issuer).offer(issuer.domain(SHOP))

    assert offer is not None
    assert repr(offer.key)[2:20] not in repr(offer)


def _of_another_name(issuer: Issuer) -> Domain:
    return issuer.domain(SHOP, certificate=issuer.certificate("other.example.com"))


def _of_another_tenant(issuer: Issuer) -> Domain:
    return issuer.domain(SHOP, certificate=issuer.certificate(SHOP, tenant="mallory"))


def _renamed_tenant(issuer: Issuer) -> Domain:
    """Return a domain whose certificate and key belong to another tenant, with rows changed to this one."""
    certificate = issuer.certificate(SHOP, tenant="mallory")
    return issuer.domain(SHOP, certificate=replace(certificate, tenant="acme-shops"))


def _with_another_key(issuer: Issuer) -> Domain:
    certificate = issuer.certificate(SHOP)
    return issuer.domain(SHOP, certificate=replace(certificate, key=issuer.certificate(SHOP).key))


def _with_a_relabelled_key(issuer: Issuer) -> Domain:
    """Return a domain whose row has the sealed key of another certificate, with the public key of its leaf."""
    certificate, other = issuer.certificate(SHOP), issuer.certificate(SHOP)
    assert certificate.key is not None
    assert other.key is not None
    key = replace(other.key, public_key=certificate.key.public_key)
    return issuer.domain(SHOP, certificate=replace(certificate, key=key))


def _with_an_altered_key(issuer: Issuer) -> Domain:
    certificate = issuer.certificate(SHOP)
    assert certificate.key is not None
    ciphertext = certificate.key.ciphertext[:-1] + bytes([certificate.key.ciphertext[-1] ^ 1])
    return issuer.domain(SHOP, certificate=replace(certificate, key=replace(certificate.key, ciphertext=ciphertext)))


def _with_an_erased_key(issuer: Issuer) -> Domain:
    return issuer.domain(SHOP, certificate=replace(issuer.certificate(SHOP), key=None))


def _with_an_unreadable_leaf(issuer: Issuer) -> Domain:
    return issuer.domain(SHOP, certificate=replace(issuer.certificate(SHOP), leaf=b"no certificate"))


def _to_be_passed_through(issuer: Issuer) -> Domain:
    return issuer.domain(SHOP, "passthrough://app.example.net:443")


def _with_client_certificates(issuer: Issuer) -> Domain:
    return replace(issuer.domain(SHOP), terminate_tls={"mutual_tls_certificate_authorities": ["PEM"]})


def _naming_a_certificate_that_is_not_there(issuer: Issuer) -> Domain:
    return replace(issuer.domain(SHOP), terminate_tls={"server_certificate_id": "cert_gone"})


def _with_an_unknown_version(issuer: Issuer) -> Domain:
    return replace(issuer.domain(SHOP), terminate_tls={"min_version": "1.4"})


@pytest.mark.parametrize(
    "make",
    [
        _of_another_name,
        _of_another_tenant,
        _renamed_tenant,
        _with_another_key,
        _with_a_relabelled_key,
        _with_an_altered_key,
        _with_an_erased_key,
        _with_an_unreadable_leaf,
        _to_be_passed_through,
        _with_client_certificates,
        _naming_a_certificate_that_is_not_there,
        _with_an_unknown_version,
    ],
)
async def test_a_forged_or_swapped_row_is_refused_and_other_domains_are_not(
    issuer: Issuer, make: Callable[[Issuer], Domain]
) -> None:
    offers = offers_of(issuer)

    with pytest.raises(OfferRefusedError):
        offers.offer(make(issuer))

    assert offers.offer(issuer.domain("other.example.com")) is not None


@pytest.mark.parametrize(("more", "is_offered"), [(0, True), (1, False)])
async def test_a_chain_is_offered_up_to_the_size_that_clients_accept(
    issuer: Issuer, more: int, *, is_offered: bool
) -> None:
    certificate = issuer.certificate(SHOP)
    rest = MAX_CHAIN_BYTES - shown_bytes([certificate.leaf, b""])
    offers = offers_of(issuer)
    domain = issuer.domain(SHOP, certificate=replace(certificate, issuers=(bytes(rest + more),)))

    if is_offered:
        assert offers.offer(domain) is not None
    else:
        with pytest.raises(OfferRefusedError, match="clients accept at most"):
            offers.offer(domain)


async def test_a_refusal_ends_with_the_next_version_of_the_row(issuer: Issuer) -> None:
    offers = offers_of(issuer)
    with pytest.raises(OfferRefusedError):
        offers.offer(_with_an_erased_key(issuer))

    assert offers.offer(replace(issuer.domain(SHOP), version=2)) is not None


async def test_an_offer_lasts_until_the_certificate_changes(issuer: Issuer) -> None:
    certificate = replace(issuer.certificate(SHOP), not_after=datetime.now(UTC) + timedelta(seconds=90))

    offer = offers_of(issuer).offer(issuer.domain(SHOP, certificate=certificate))

    assert offer is not None
    assert 80 < offer.seconds <= 90
