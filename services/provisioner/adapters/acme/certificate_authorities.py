"""All CAs that this process talks to, over one HTTP session: the port ``CertificateAuthorities``."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import aiohttp

from services.provisioner.adapters.acme import keys
from services.provisioner.adapters.acme.account import HttpAcmeAccount
from services.provisioner.adapters.acme.endpoint import Endpoint
from services.provisioner.adapters.acme.transport import Transport
from shared.errors import SettingsError

_CONNECTIONS: Final = 32  # to one CA; Let's Encrypt's limit is in requests a second
_CONNECT_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 15.0  # servers keep idle connections longer, so none is closed while we send on it


class HttpCertificateAuthorities:
    """Opens accounts at any CA, with one endpoint for each directory."""

    def __init__(self, transport: Transport, *, clock: Callable[[], datetime]) -> None:
        self._transport = transport
        self._clock = clock
        self._endpoints: dict[str, Endpoint] = {}

    def account(self, *, directory_url: str, key_pkcs8: bytes, url: str | None) -> HttpAcmeAccount:
        """Return the account of this key."""
        if directory_url not in self._endpoints:
            self._endpoints[directory_url] = Endpoint(
                self._transport, directory_url, connections=_CONNECTIONS, clock=self._clock
            )
        return HttpAcmeAccount(self._endpoints[directory_url], keys.AccountKey(key_pkcs8), url)

    def new_key(self) -> bytes:
        """Return a fresh account key as PKCS #8 DER."""
        return keys.generate()


@asynccontextmanager
async def open_certificate_authorities(
    *, trusted_ca_pem: str | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[HttpCertificateAuthorities]:
    """Yield the CAs. *trusted_ca_pem* has the roots for their own TLS certificates; None means the system's roots.

    *clock* is used only for an answer with an instant in Retry-After and no Date.

    Raises:
        SettingsError: *trusted_ca_pem* has no certificates.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=_trust(trusted_ca_pem), limit=0, limit_per_host=_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        # RFC 8555 section 6.1 wants a User-Agent, and Accept-Language for texts that people will read.
        headers={"User-Agent": _user_agent(), "Accept-Language": "en", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield HttpCertificateAuthorities(Transport(session), clock=clock)


def _trust(trusted_ca_pem: str | None) -> ssl.SSLContext:
    """Return the trust for CAs' own TLS certificates; an empty bundle does not mean the system's roots."""
    if trusted_ca_pem is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=trusted_ca_pem or "nothing")
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"AUTOCERT_TRUSTED_CA or AUTOCERT_TRUSTED_CA_FILE must hold certificates in PEM, and does not: {error}"
        ) from error


def _user_agent() -> str:
    try:
        return f"certsmith/{version('certsmith')}"
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "certsmith"
