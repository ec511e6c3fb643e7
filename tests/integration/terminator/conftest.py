"""A node with one worker in front of a store in memory, shared by a module's tests and emptied before each."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fakes.terminator_store import Issuer, MemoryStore
from tests.rig.terminator.node import Rig, running_node


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Return a maker of domains with certificates."""
    return Issuer(tmp_path_factory.mktemp("issuer") / "keys")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_rig(issuer: Issuer) -> AsyncIterator[Rig]:
    """Yield a running node."""
    async with running_node(MemoryStore(), issuer.reader) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> AsyncIterator[Rig]:
    """Yield a running node with an empty store."""
    yield module_rig
    await module_rig.forget()
