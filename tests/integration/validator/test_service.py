"""`python -m services.validator` as a process: it starts, says that it is ready, stops, and is killed."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from dev.platform.customer_ca import Authority
from dev.platform.service import Service
from dev.ports import free_port
from tests.rig.validator.surroundings import Rig


@pytest_asyncio.fixture
async def service(rig: Rig, tmp_path: Path) -> AsyncIterator[Service]:
    """Yield a validator that is not started."""
    port = free_port()
    environment = {
        **os.environ,
        "VALIDATOR_AMQP_URL": rig.amqp_url,
        "VALIDATOR_DATABASE_URL": rig.database_url,
        "VALIDATOR_METRICS_PORT": str(port),
        "VALIDATOR_LEASE_SECONDS": "3",
        "VALIDATOR_JUDGES": "1",
        "CERTSMITH_KEYS_DIR": str(rig.keys.keys_dir),
    }
    service = Service("validator", "services.validator", environment=environment, folder=tmp_path, ready_port=port)
    yield service
    await service.end()


async def test_a_validator_starts_judges_an_upload_and_stops_with_its_sandbox_processes(
    rig: Rig, service: Service, authority: Authority
) -> None:
    await service.start()
    await service.ready()
    sandboxes = service.children()
    await rig.publish(rig.uploader.upload(authority.issue("shop.example.com")))
    await rig.fact("certificate.ready")
    metrics = await service.page("metrics")

    assert await service.stop() == 0
    assert 'validator_uploads_total{verdict="accepted"} 1.0' in metrics.text
    assert sandboxes
    assert not [pid for pid in sandboxes if Path(f"/proc/{pid}").exists()]


async def test_uploads_of_a_killed_validator_are_judged_by_the_next(
    rig: Rig, service: Service, authority: Authority
) -> None:
    await service.start()
    await service.ready()
    for pid in service.children():
        os.kill(pid, signal.SIGSTOP)  # so that the upload stays unfinished
    await rig.publish(rig.uploader.upload(authority.issue("shop.example.com")))
    await rig.until("SELECT lease_holder IS NOT NULL FROM validator.uploads")

    await service.kill()
    await service.start()
    await rig.fact("certificate.ready")

    assert await service.stop() == 0
    assert len(rig.facts("certificate.ready")) == 1
    assert await rig.database.fetchval("SELECT count(*) FROM registry.keys") == 1


@pytest.mark.parametrize("ring", ["intake.secret.json", "vault.public.json", "signing.validator.secret.json"])
async def test_a_validator_without_a_key_ring_does_not_start(rig: Rig, service: Service, ring: str) -> None:
    (rig.keys.keys_dir / ring).unlink()

    await service.start()

    assert await service.ended() == 78
