"""One HTTP exchange with a CA; every failure of the network is raised as ``AuthorityError``."""

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Final

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from services.provisioner.rules.acme import AuthorityError, Failure, Phase

_SECONDS: Final = 30.0  # for one exchange; Boulder answers or gives up within 15
_MAX_BODY: Final = 1 << 20  # bytes; a chain of certificates has some 6 KiB
_CONTENT_TYPE: Final = "application/jose+json"  # RFC 8555 section 6.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request: *body* None is a GET; *changes* means that it may change the state at the CA."""

    method: str
    url: str
    phase: Phase
    body: bytes | None = None
    accept: str = "application/json"
    changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with any status; the names of *headers* are case-insensitive."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Transport:
    """The session that all accounts share."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def exchange(self, call: Call, *, deadline: float) -> Reply:
        """Return the answer to *call*.

        A request that changes nothing is sent a second time when its connection was lost: the CA may just have closed
        an idle connection.

        Raises:
            AuthorityError: there was no answer; with ``outcome_unknown`` the CA may have acted on *call* all the same.
        """
        url = _url(call)
        try:
            return await self._once(call, url, deadline)
        except AuthorityError as error:
            if call.changes or error.failure is not Failure.UNREACHABLE:
                raise
            return await self._once(call, url, deadline)

    async def _once(self, call: Call, url: URL, deadline: float) -> Reply:
        now = asyncio.get_running_loop().time()
        headers = (
            {"Accept": call.accept} if call.body is None else {"Accept": call.accept, "Content-Type": _CONTENT_TYPE}
        )
        try:
            async with (
                asyncio.timeout_at(min(deadline, now + _SECONDS)),
                # A redirect would send the request to another URL than the signed one (RFC 8555 section 6.4).
                self._session.request(
                    call.method, url, data=call.body, headers=headers, allow_redirects=False
                ) as response,
            ):
                body = await _bounded_body(response, call)
                return Reply(status=response.status, headers=response.headers, body=body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _translated(error, call) from error


async def _bounded_body(response: aiohttp.ClientResponse, call: Call) -> bytes:
    if response.content.at_eof():
        return b""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _MAX_BODY:
            raise _error(call, Failure.MALFORMED, f"the answer has more than {_MAX_BODY} bytes", was_sent=True)
        chunks.append(chunk)
    return b"".join(chunks)


def _url(call: Call) -> URL:
    """Return the URL unchanged, because the signature covers each of its letters (RFC 8555 section 6.4).

    Only HTTPS is allowed (RFC 8555 section 6.1), and plain HTTP that does not leave this machine.
    """
    try:
        url = URL(call.url, encoded=True)
        _ = url.port
    except ValueError as error:
        raise _error(call, Failure.MALFORMED, f"its URL cannot be used: {error}", was_sent=False) from error
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host or "")):
        raise _error(call, Failure.MALFORMED, "its URL is not https", was_sent=False)
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _translated(error: Exception, call: Call) -> AuthorityError:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return _error(call, Failure.UNTRUSTED, str(error.certificate_error), was_sent=False)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return _error(call, Failure.UNREACHABLE, str(error), was_sent=False)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return _error(call, Failure.MALFORMED, f"its URL cannot be used: {error}", was_sent=False)
        case TimeoutError():
            return _error(call, Failure.TIMEOUT, "no answer in time", was_sent=True)
        case aiohttp.ClientResponseError():
            return _error(call, Failure.MALFORMED, f"the answer is not HTTP: {error.message}", was_sent=True)
        case _:
            return _error(call, Failure.UNREACHABLE, f"the connection was lost: {error}", was_sent=True)


def _error(call: Call, failure: Failure, what: str, *, was_sent: bool) -> AuthorityError:
    host = call.url.partition("://")[2].partition("/")[0] or call.url
    return AuthorityError(
        message=f"{call.phase} at {host}: {what}",
        phase=call.phase,
        failure=failure,
        outcome_unknown=was_sent and call.changes,
    )
