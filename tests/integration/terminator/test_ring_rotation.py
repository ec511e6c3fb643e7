"""Key rings rotate while a node serves: rows that it has cached are resealed without a hint."""

import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from services.terminator.rules.selection import Domain
from shared.vault import KeyFiles
from tests.fakes.terminator_store import Issuer, MemoryStore
from tests.rig.terminator.node import Rig, running_node
from tests.rig.terminator.rotation import have_looked, turn_signing, turn_vault, with_key

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


@pytest.mark.parametrize("turn", [turn_vault, turn_signing])
async def test_a_cached_name_is_served_after_its_key_was_resealed(
    forgetful: Rig, own_issuer: Issuer, own_keys: KeyFiles, turn: Callable[[KeyFiles, Domain], Domain]
) -> None:
    shop = await forgetful.host(own_issuer.domain(SHOP))
    await forgetful.host(own_issuer.domain(OTHER))
    before = await forgetful.shown(SHOP)
    await forgetful.shown(OTHER)

    forgetful.store.rows[SHOP] = turn(own_keys, shop)  # without a hint
    have_looked(own_issuer, shop)
    asked = len(forgetful.store.asked)
    after = await forgetful.shown(SHOP)

    assert after == before
    assert len(forgetful.store.asked) == asked + 1


async def test_a_key_of_a_missing_ring_is_read_again_only_once(forgetful: Rig, own_issuer: Issuer) -> None:
    forgetful.store.put(with_key(own_issuer.domain(SHOP), vault_key_id="vault-gone"))

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
