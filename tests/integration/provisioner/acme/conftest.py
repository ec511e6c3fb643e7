"""Clients of the shared Pebble, directly and through a gate."""

from collections.abc import AsyncIterator

import pytest_asyncio

from dev.servers.ca_gate import CaGate
from dev.servers.pebble import Pebble
from tests.rig.acme import Client, a_client


@pytest_asyncio.fixture
async def client(pebble: Pebble, loopback_address: str) -> AsyncIterator[Client]:
    """Yield a client with an account of this test's own."""
    async with a_client(pebble, loopback_address) as client:
        yield client


@pytest_asyncio.fixture
async def gate(pebble: Pebble) -> AsyncIterator[CaGate]:
    """Yield an open gate in front of the shared Pebble."""
    async with CaGate(pebble) as gate:
        yield gate


@pytest_asyncio.fixture
async def gated(pebble: Pebble, gate: CaGate, loopback_address: str) -> AsyncIterator[Client]:
    """Yield a client that goes through *gate*."""
    async with a_client(pebble, loopback_address, gate=gate) as client:
        yield client
