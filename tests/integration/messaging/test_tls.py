"""`amqps://`: the broker behind TLS."""

import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dev.servers.broker import Broker
from shared.errors import BrokerUnavailableError
from shared.messaging.publisher import Publisher
from tests.rig.messaging.support import Proxy, a_request


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "broker.pem"
    path.write_bytes(
        signed.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@pytest_asyncio.fixture
async def amqps_url(bus: str, rabbitmq: Broker, certificate: Path) -> AsyncIterator[str]:
    """Yield the address of the broker behind TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with Proxy(rabbitmq.host, rabbitmq.port, tls) as proxy:
        yield bus.replace("amqp://", "amqps://").replace(f":{rabbitmq.port}/", f":{proxy.port}/")


async def test_a_broker_with_a_certificate_of_a_known_ca_is_used(amqps_url: str, certificate: Path) -> None:
    async with Publisher(f"{amqps_url}?cafile={certificate}", name="test") as publisher:
        await publisher.publish(a_request())


async def test_a_broker_with_a_certificate_of_an_unknown_ca_is_refused(amqps_url: str) -> None:
    async with Publisher(amqps_url, name="test") as publisher:
        with pytest.raises(BrokerUnavailableError, match=r"cannot be trusted: .*cafile"):
            await publisher.publish(a_request(), seconds=0.5)
