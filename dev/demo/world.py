"""The demo's servers, private or given, and the environment by which programs find them."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.demo.customer import OWN, Customer, new_customer
from dev.ports import LOOPBACK, free_port
from dev.servers import Behaviour, Pebble, Servers, together
from dev.servers.names import Names
from shared.names import Name, NameRefusedError, normalize

ZONE: Final = "customers.example.net"
"""The platform's zone: a domain's own CNAME target is `<its id>.<zone>`."""
MOVING: Final = "moving.example.com"
NAMES: Final = ("shop.example.com", "blog.example.org", "bücher.example.com", MOVING, OWN)
ELSEWHERE: Final = "192.0.2.1"  # RFC 5737: an address for documentation, which no host has

_LOOPBACKS: Final = "127.0.0.0/8"
_SERVERS: Final = ("AMQP_URL", "DATABASE_URL", "AUTOCERT_CA")
# Settings in the caller's environment that would change the private world.
_SETTINGS: Final = ("PROVISIONER_", "TERMINATOR_", "AUTOCERT_")
_OTHERS: Final = ("CERTSMITH_", "LOG_", "OPERATOR_", "PUBLISHER_", "VALIDATOR_", "API_", "AMQP_", "DATABASE_")


class WorldError(Exception):
    """The demo cannot run with the given settings; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The demo's surroundings. *settings* are its own; *environment* is the whole environment of its programs."""

    environment: Mapping[str, str]
    settings: Mapping[str, str]
    names: Mapping[str, Name]
    """Names as people write them, and as they are stored."""
    https: tuple[str, int]
    """The address and port where the terminator listens."""
    ready_urls: tuple[str, ...]
    """Addresses that answer 200 when the services are ready."""
    roots: Path | None
    """The file with the CA's root, PEM; None if the system trusts it already."""
    dns: Names | None
    """The DNS server, if the demo controls it."""
    customer: Customer | None
    """The customer who uploads a certificate, if the names are the demo's own."""
    owns_store: bool
    """Whether the database is private and ends with the demo."""

    @property
    def trust(self) -> ssl.SSLContext:
        """The TLS context of visitors, which trusts only the CA's root."""
        return ssl.create_default_context(cafile=None if self.roots is None else str(self.roots))


@asynccontextmanager
async def open_world(folder: Path, run: Path, given: Mapping[str, str]) -> AsyncIterator[World]:
    """Start the servers that the environment *given* does not name in *folder*; put files for the user into *run*.

    Raises:
        WorldError: a CA was given, but no names for it.
    """
    has = {name: bool(given.get(name)) for name in _SERVERS}
    names = _normalized(_given_names(given) if has["AUTOCERT_CA"] else NAMES)
    async with together(
        folder,
        rabbitmq=not has["AMQP_URL"],
        postgresql=not has["DATABASE_URL"],
        pebble=not has["AUTOCERT_CA"],
        behaviour=Behaviour(default_address=LOOPBACK),
    ) as servers:
        settings = {**await _common(folder, servers, given), **_of_authority(servers.pebble, given)}
        if servers.pebble is not None:
            await servers.pebble.dns.set_a(MOVING, ELSEWHERE)
        yield World(
            environment={**_inherited(given), **settings},
            settings=settings,
            names=names,
            https=(settings["TERMINATOR_HTTPS_ADDRESS"], int(settings["TERMINATOR_HTTPS_PORT"])),
            ready_urls=tuple(
                f"http://{LOOPBACK}:{settings[f'{service}_METRICS_PORT']}/ready"
                for service in ("PROVISIONER", "VALIDATOR", "TERMINATOR")
            ),
            roots=await _roots(servers.pebble, run, given),
            dns=None if servers.pebble is None else servers.pebble.dns,
            customer=None if servers.pebble is None else new_customer(folder),
            owns_store=not has["DATABASE_URL"],
        )


def _given_names(given: Mapping[str, str]) -> tuple[str, ...]:
    words = given.get("DEMO_DOMAINS", "").replace(",", " ").split()
    if not words:
        raise WorldError(
            "AUTOCERT_CA is set, so the names must be yours: set DEMO_DOMAINS to some that point to this machine, "
            "for example DEMO_DOMAINS=a.example.com,b.example.com, or unset AUTOCERT_CA for a private CA"
        )
    return tuple(words)


def _normalized(names: Sequence[str]) -> dict[str, Name]:
    try:
        return {name: normalize(name) for name in names}
    except NameRefusedError as error:
        raise WorldError(f"DEMO_DOMAINS: {error}") from error


def _inherited(given: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the caller's environment that the demo's programs get too."""
    unwanted = _OTHERS if given.get("AUTOCERT_CA") else (*_SETTINGS, *_OTHERS)
    return {name: value for name, value in given.items() if not name.startswith(unwanted)}


async def _common(folder: Path, servers: Servers, given: Mapping[str, str]) -> dict[str, str]:
    settings = {
        "AMQP_URL": given.get("AMQP_URL", ""),
        "DATABASE_URL": given.get("DATABASE_URL", ""),
        "CERTSMITH_CONFIG": "/dev/null",
        "CERTSMITH_KEYS_DIR": str(folder / "keys"),
        "PROVISIONER_METRICS_PORT": str(free_port()),
        "VALIDATOR_METRICS_PORT": str(free_port()),
        "TERMINATOR_METRICS_PORT": str(free_port()),
        "TERMINATOR_UPSTREAM_ALLOW": _LOOPBACKS,
    }
    if "AMQP_MANAGEMENT_URL" in given:
        settings["AMQP_MANAGEMENT_URL"] = given["AMQP_MANAGEMENT_URL"]
    if servers.rabbitmq is not None:
        broker = servers.rabbitmq
        settings["AMQP_URL"] = broker.amqp_url
        settings["AMQP_MANAGEMENT_URL"] = broker.management_url.replace("//", f"//{broker.user}:{broker.password}@")
    if servers.postgresql is not None:
        settings["DATABASE_URL"] = await servers.postgresql.create_database("certsmith")
    return settings


def _of_authority(pebble: Pebble | None, given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that depend on the CA; for a given CA the caller sets the others."""
    if pebble is None:
        return {
            "AUTOCERT_CA": given["AUTOCERT_CA"],
            "TERMINATOR_HTTPS_ADDRESS": given.get("TERMINATOR_HTTPS_ADDRESS", LOOPBACK),
            "TERMINATOR_HTTPS_PORT": given.get("TERMINATOR_HTTPS_PORT", "443"),
        }
    http_port, https_port = str(pebble.behaviour.http_port), str(pebble.behaviour.tls_port)
    return {
        "AUTOCERT_CA": pebble.directory_url,
        "AUTOCERT_TRUSTED_CA_FILE": str(pebble.ca_file),
        "PROVISIONER_DNS_SERVERS": pebble.dns.address,
        "PROVISIONER_DNS_POLL_SECONDS": "0.5",
        "PROVISIONER_HTTP01_PORT": http_port,
        "PROVISIONER_PLATFORM_ADDRESSES": LOOPBACK,
        "PROVISIONER_PLATFORM_ZONE": ZONE,
        "PROVISIONER_PROBE_ALLOW": _LOOPBACKS,
        "TERMINATOR_HTTP_ADDRESS": LOOPBACK,
        "TERMINATOR_HTTP_PORT": http_port,
        "TERMINATOR_HTTPS_ADDRESS": LOOPBACK,
        "TERMINATOR_HTTPS_PORT": https_port,
        "TERMINATOR_REDIRECT_PORT": https_port,
    }


async def _roots(pebble: Pebble | None, run: Path, given: Mapping[str, str]) -> Path | None:
    if pebble is None:
        return Path(given["DEMO_ROOTS_FILE"]) if given.get("DEMO_ROOTS_FILE") else None
    roots = run / "demo-root.pem"
    roots.write_bytes(await pebble.roots())
    return roots.absolute()
