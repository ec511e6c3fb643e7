"""Each event that the terminator listens to becomes hints to the node, with its cause."""

from datetime import UTC, datetime

import pytest

from services.terminator.handlers import HINTS, Handlers
from shared.events import (
    NO_CAUSE,
    Cause,
    CertificateReady,
    CertificateRevoked,
    Data,
    DomainChanged,
    DomainVersion,
    Incoming,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = Cause("c-1")


class RecordingNode:
    """Records hints."""

    def __init__(self) -> None:
        self.hints: list[tuple[str, Cause]] = []
        self.caught_up = 0

    def hint(self, domain: str, *, cause: Cause = NO_CAUSE) -> None:
        """Record a hint at *domain*."""
        self.hints.append((domain, cause))

    def hint_certificate(self, certificate_id: str, *, cause: Cause = NO_CAUSE) -> None:
        """Record a hint at a certificate."""
        self.hints.append((certificate_id, cause))

    def catch_up(self) -> None:
        """Count the call."""
        self.caught_up += 1


READY = CertificateReady(
    certificate_id="cert_1",
    domains=(
        DomainVersion(domain="a.example.com", version=1),
        DomainVersion(domain="b.example.com", version=2),
    ),
    not_before=NOW,
    not_after=NOW,
    serial_number="1",
    issuer="CN=Test",
    source="automatic",
)


@pytest.mark.parametrize(
    ("data", "hinted"),
    [
        (READY, ["a.example.com", "b.example.com"]),
        (DomainChanged(domain="a.example.com", version=3, deleted=False), ["a.example.com"]),
        (CertificateRevoked(certificate_id="cert_1", reason="key_compromise"), ["cert_1"]),
    ],
)
async def test_an_event_hints_at_all_that_it_is_about(data: Data, hinted: list[str]) -> None:
    node = RecordingNode()

    await Handlers(node).on_event(
        Incoming(data=data, id="e-1", source="/test", user_id="", time=NOW, received_at=NOW, cause=CAUSE)
    )

    assert data.type in HINTS
    assert node.hints == [(each, CAUSE) for each in hinted]


async def test_a_connection_to_the_broker_makes_the_node_catch_up() -> None:
    node = RecordingNode()

    await Handlers(node).on_connected()

    assert node.caught_up == 1
