"""The head of an HTTP/1.1 request, parsed strictly (RFC 9112): a doubtful request is refused, not repaired."""

import re
from dataclasses import dataclass
from typing import Final

from services.terminator.rules.clienthello import host_name
from services.terminator.worker.http.pages import Status
from shared.errors import PermanentError

MAX_HEAD_BYTES: Final = 16_384
MAX_HEADERS: Final = 100

_END: Final = b"\r\n\r\n"
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 section 5.6.2
# RFC 9112 section 3. A target has visible characters only: what browsers never send is not echoed in a redirect.
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/([0-9])\.([0-9])")
_HEADER: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_ABSOLUTE: Final = re.compile(rb"(?i:http)://([^/?#]*)(.*)")
_HOST: Final = re.compile(rb"([^:]+)(?::[0-9]{0,5})?")
_MAYBE_REQUEST: Final = re.compile(rb"[A-Z]{1,20}(?:\Z| (?:\Z|[/*]))")


class BadRequestError(PermanentError):
    """A request that is refused with *status*."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.value[1])
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request: *host* in the form that the store has, *target* as it was sent, starting with "/"."""

    method: str
    host: str
    target: str


def may_be_request(data: bytes) -> bool:
    """Return whether *data* can be the start of a request."""
    return bool(_MAYBE_REQUEST.match(data))


def parse_head(data: bytes) -> Request | None:
    """Return the request at the start of *data*, None while its head is incomplete.

    Raises:
        BadRequestError: it is malformed, too large, or of another version of HTTP.
    """
    end = data.find(_END)
    if end > MAX_HEAD_BYTES or (end < 0 and len(data) > MAX_HEAD_BYTES):
        raise BadRequestError(Status.TOO_LARGE)
    if end < 0:
        return None
    lines = data[:end].split(b"\r\n")
    if len(lines) > MAX_HEADERS:
        raise BadRequestError(Status.TOO_LARGE)
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is None:
        raise BadRequestError(Status.BAD_REQUEST)
    method, target, major, _ = line.groups()
    if major != b"1":
        raise BadRequestError(Status.NOT_SUPPORTED)
    hosts = [value for name, value in map(_header, lines[1:]) if name == b"host"]
    if len(hosts) != 1:  # RFC 9112 section 3.2: exactly one
        raise BadRequestError(Status.BAD_REQUEST)
    return _request(method, target, hosts[0])


def _header(line: bytes) -> tuple[bytes, bytes]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise BadRequestError(Status.BAD_REQUEST)
    return match[1].lower(), match[2].rstrip(b" \t")


def _request(method: bytes, target: bytes, host: bytes) -> Request:
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:  # RFC 9112 section 3.2.2: the host of an absolute target wins
        host, target = absolute[1], absolute[2] or b"/"
    match = _HOST.fullmatch(host)
    name = host_name(match[1]) if match else None
    if name is None or not target.startswith(b"/"):
        raise BadRequestError(Status.BAD_REQUEST)
    return Request(method.decode(), name, target.decode())
