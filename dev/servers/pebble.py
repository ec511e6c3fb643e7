"""A private ACME certificate authority: Pebble, with its own DNS server, whose answers can be configured.

Pebble keeps everything in memory: a restart forgets accounts, orders and its own root. It validates at one port for
HTTP-01 and one for TLS-ALPN-01, at the addresses that its DNS server returns (`dev.ports.free_address` has free ones).
"""

import json
import os
import re
import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import aiohttp
from cryptography import x509

from dev.certificates import Authority
from dev.ports import LOOPBACK, free_port
from dev.program import Command
from dev.servers import programs
from dev.servers.names import Names
from dev.servers.server import Server

# The only line that Pebble writes when it issues; the serial number leads to the certificate by the management API.
ISSUED: Final = re.compile(r"Issued certificate serial ([0-9a-f]+) for order ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Options of a Pebble, with their defaults here."""

    http_port: int = field(default_factory=free_port)
    """Where HTTP-01 validations connect to."""
    tls_port: int = field(default_factory=free_port)
    """Where TLS-ALPN-01 validations connect to."""
    nonce_reject_percent: int = 5
    """The percentage of good nonces that are refused; Pebble's own default is 5, as a test of clients."""
    authorization_reuse_percent: int = 0
    """The percentage of new orders that re-use a valid authorization; Pebble's own default is 50."""
    sleeps: bool = False
    """Whether a validation waits up to 15 seconds first, as Pebble does by default."""
    validity_seconds: int = 90 * 86_400
    """How long certificates are valid: Pebble's own default is five years."""
    default_address: str = ""
    """The IPv4 address of every name for which none was set; none by default."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with these options."""
        return {
            "PATH": os.environ["PATH"],
            "PEBBLE_WFE_NONCEREJECT": str(self.nonce_reject_percent),
            "PEBBLE_AUTHZREUSE": str(self.authorization_reuse_percent),
            "PEBBLE_VA_NOSLEEP": str(int(not self.sleeps)),
        }


class Pebble(Server):
    """A running Pebble with its DNS server."""

    name = "pebble"

    def __init__(self, folder: Path, behaviour: Behaviour, dns: Names) -> None:
        super().__init__(folder)
        self.behaviour: Final = behaviour
        self.dns: Final = dns
        own_ports = (free_port(), free_port())
        self.ports = (*own_ports, *dns.ports)
        self.address, self._management = (f"{LOOPBACK}:{port}" for port in own_ports)
        self.directory_url: Final = f"https://{self.address}/dir"
        self.management_url: Final = f"https://{self._management}"
        self.authority: Final = Authority.create("Private authority for Pebble's own TLS")
        self.ca_file: Final = folder / "ca.pem"
        """Verifies the TLS of `directory_url` and of the management API."""
        self._certificates: Final[dict[str, x509.Certificate]] = {}
        """All that were asked for so far, by serial number."""

    @classmethod
    async def start(cls, folder: Path, behaviour: Behaviour | None = None) -> Self:
        """Return a new authority with its files in *folder*, ready for clients."""
        behaviour = behaviour or Behaviour()
        dns = await Names.start(folder, default_address=behaviour.default_address)
        self = cls(folder, behaviour, dns)
        self._configure()
        try:
            await self.resume()
        except BaseException:
            await dns.end()
            raise
        return self

    async def end(self) -> None:
        """End Pebble and its DNS server for good."""
        await super().end()
        await self.dns.end()

    @property
    def trust(self) -> ssl.SSLContext:
        """The PEM file that a client must trust for Pebble's own TLS."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    async def roots(self) -> bytes:
        """Return the root (PEM) that issued certificates chain up to."""
        async with self._client() as client, client.get(f"{self.management_url}/roots/0") as response:
            return await response.read()

    async def issued_certificates(self) -> dict[str, int]:
        """Return how many certificates Pebble has issued for each name, by its own log."""
        counts: Counter[str] = Counter()
        for certificate in await self.certificates():
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            counts.update(names.get_values_for_type(x509.DNSName))
        return dict(counts)

    async def certificates(self) -> tuple[x509.Certificate, ...]:
        """Return every certificate that Pebble has logged as issued since it started, in that order."""
        serials = ISSUED.findall(self._text_of_this_run())
        async with self._client() as client:
            for serial in serials:
                if serial not in self._certificates:
                    async with client.get(f"{self.management_url}/cert-status-by-serial/{serial}") as response:
                        pem = json.loads(await response.read())["Certificate"]
                    self._certificates[serial] = x509.load_pem_x509_certificate(pem.encode())
        return tuple(self._certificates[serial] for serial in serials)

    def _text_of_this_run(self) -> str:
        """Return the log since the last start: Pebble has forgotten everything that it issued before."""
        return self.log_text().rpartition("Starting Pebble ACME server")[2]

    def _command(self) -> Command:
        return Command(
            argv=[programs.pebble(), "-config", self._configuration, "-dnsserver", self.dns.address],
            log=self.log,
            env=self.behaviour.environment,
        )

    def _client(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.trust), raise_for_status=True)

    async def _is_ready(self) -> bool:
        """Whether both of Pebble's listeners answer."""
        async with self._client() as client:
            for url in (self.directory_url, f"{self.management_url}/roots/0"):
                try:
                    async with client.get(url) as response:
                        await response.read()
                except aiohttp.ClientConnectionError:
                    return False
        return True

    def _configure(self) -> None:
        self.ca_file.write_bytes(self.authority.pem)
        certificate, key = self.authority.issue_to(self.folder, "localhost", LOOPBACK)
        settings = {
            "listenAddress": self.address,
            "managementListenAddress": self._management,
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": self.behaviour.http_port,
            "tlsPort": self.behaviour.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": self.behaviour.validity_seconds,
        }
        self._configuration.write_text(json.dumps({"pebble": settings}, indent=2))

    @property
    def _configuration(self) -> Path:
        return self.folder / "pebble.json"
