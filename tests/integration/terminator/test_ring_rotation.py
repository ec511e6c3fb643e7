"""Rings rotate while a node serves: rows that it knows were sealed anew behind its back."""

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.terminator.rules import Domain
from shared.vault import KeyFiles, SealedKey
from shared.vault.resealing import Resigner, Rewrapper, StoredSignature, StoredWrap
from shared.vault.rings import utc_now
from shared.vault.rotating import SIGNING, VAULT, RingFiles
from tests.integration.terminator.rig import Rig, running_node
from tests.unit.terminator.fakes import Issuer, MemoryStore

SHOP = "shop.example.com"
OTHER = "other.example.com"


@pytest.fixture
def own_keys(tmp_path: Path) -> KeyFiles:
    return KeyFiles(keys_dir=tmp_path / "keys")


@pytest.fixture
def own_issuer(own_keys: KeyFiles) -> Issuer:
    return Issuer(own_keys.keys_dir)


@pytest_asyncio.fixture
async def forgetful(own_issuer: Issuer) -> AsyncIterator[Rig]:
    """Yield a node whose worker keeps one context, so that each other name asks the control process again."""
    async with running_node(MemoryStore(), own_issuer.reader, max_contexts=1) as running:
        yield running


def turn_vault(keys: KeyFiles, domain: Domain) -> Domain:
    """Give the vault a new key and delete the old one; return *domain* sealed to the new one."""
    ring, sealed = RingFiles(keys, VAULT), _key_of(domain)
    new = ring.begin(now=utc_now(), active_from=utc_now())
    to = ring.public.find(new.id)
    assert to is not None
    wrap = Rewrapper(ring.secret, to=to).remake(
        StoredWrap(
            key_id=sealed.key_id,
            tenant=domain.tenant,
            writer=sealed.writer,
            public_key=sealed.public_key,
            ring_key_id=sealed.vault_key_id,
            wrap=sealed.wrap,
            version=1,
        )
    )
    ring.forget([sealed.vault_key_id], now=utc_now())
    return _with_key(domain, vault_key_id=new.id, wrap=wrap)


def turn_signing(keys: KeyFiles, domain: Domain) -> Domain:
    """Give the provisioner a new signing key and delete the old one; return *domain* signed with the new one."""
    ring, sealed = RingFiles(keys, SIGNING["provisioner"]), _key_of(domain)
    new = ring.begin(now=utc_now(), active_from=utc_now())
    signature = Resigner(ring.public, writer="provisioner", to=new).remake(
        StoredSignature(
            key_id=sealed.key_id,
            tenant=domain.tenant,
            writer=sealed.writer,
            format=sealed.format,
            public_key=sealed.public_key,
            ciphertext=sealed.ciphertext,
            ring_key_id=sealed.signing_key_id,
            signature=sealed.signature,
            created_at=utc_now(),
        )
    )
    ring.forget([sealed.signing_key_id], now=utc_now())
    return _with_key(domain, signing_key_id=new.id, signature=signature)


def have_looked(issuer: Issuer, domain: Domain) -> None:
    """Have the node look at its ring files, as it does every second."""
    for changes in ({"vault_key_id": "gone"}, {"signing_key_id": "gone"}):
        assert not issuer.reader.has_keys_for(_key_of(_with_key(domain, **changes)))


def _key_of(domain: Domain) -> SealedKey:
    assert domain.automatic is not None
    assert domain.automatic.key is not None
    return domain.automatic.key


def _with_key(domain: Domain, **changes: Any) -> Domain:
    assert domain.automatic is not None
    return replace(domain, automatic=replace(domain.automatic, key=replace(_key_of(domain), **changes)))


@pytest.mark.parametrize("turn", [turn_vault, turn_signing])
async def test_a_known_name_is_served_after_its_key_was_sealed_anew(
    forgetful: Rig, own_issuer: Issuer, own_keys: KeyFiles, turn: Callable[[KeyFiles, Domain], Domain]
) -> None:
    shop = await forgetful.host(own_issuer.domain(SHOP))
    await forgetful.host(own_issuer.domain(OTHER))
    before = await forgetful.shown(SHOP)
    await forgetful.shown(OTHER)

    forgetful.store.rows[SHOP] = turn(own_keys, shop)  # nobody gives a hint
    have_looked(own_issuer, shop)
    asked = len(forgetful.store.asked)
    after = await forgetful.shown(SHOP)

    assert after == before
    assert len(forgetful.store.asked) == asked + 1


async def test_a_key_of_a_ring_that_is_nowhere_is_looked_for_once(forgetful: Rig, own_issuer: Issuer) -> None:
    forgetful.store.put(_with_key(own_issuer.domain(SHOP), vault_key_id="vault-gone"))

    for _ in range(3):
        with pytest.raises(ssl.SSLError):
            await forgetful.shown(SHOP)

    assert len(forgetful.store.asked) == 2


async def test_a_name_whose_row_cannot_be_read_again_is_refused_until_it_can(
    forgetful: Rig, own_issuer: Issuer, own_keys: KeyFiles
) -> None:
    shop = await forgetful.host(own_issuer.domain(SHOP))
    await forgetful.host(own_issuer.domain(OTHER))
    before = await forgetful.shown(SHOP)
    await forgetful.shown(OTHER)
    forgetful.store.rows[SHOP] = turn_vault(own_keys, shop)
    have_looked(own_issuer, shop)

    forgetful.store.available = False
    with pytest.raises(ssl.SSLError):
        await forgetful.shown(SHOP)
    forgetful.store.available = True

    assert await forgetful.shown(SHOP) == before
