"""The terminator's own HTTP answers: short, in plain text, and the last on their connection."""

from enum import Enum
from typing import Final

# RFC 6797; graders of TLS configurations ask for at least 15,552,000.
_HSTS: Final = b"Strict-Transport-Security: max-age=31536000\r\n"


class Status(Enum):
    """Status codes, their phrases, and a sentence for the visitor."""

    OK = (200, "OK", "")
    MOVED = (301, "Moved Permanently", "This site is at https://.")
    MOVED_SAME_METHOD = (308, "Permanent Redirect", "This site is at https://.")
    BAD_REQUEST = (400, "Bad Request", "The request is not well-formed HTTP/1.1.")
    TIMEOUT = (408, "Request Timeout", "The request did not arrive in time.")
    MISDIRECTED = (
        421,
        "Misdirected Request",
        "No site of that name is served here, or it has no certificate yet.",
    )
    TOO_LARGE = (431, "Request Header Fields Too Large", "The request's header is too large.")
    NOT_SUPPORTED = (505, "HTTP Version Not Supported", "This server speaks HTTP/1.0 and HTTP/1.1.")
    BAD_GATEWAY = (502, "Bad Gateway", "The site cannot be reached")
    UNAVAILABLE = (503, "Service Unavailable", "Please try again in a moment.")


def page(
    status: Status, *, detail: str = "", body: bytes | None = None, headers: bytes = b"", tls: bool, head: bool = False
) -> bytes:
    """Return the whole answer. *head* leaves out the body; *tls* makes browsers use HTTPS from now on (HSTS)."""
    code, phrase, sentence = status.value
    if body is None:
        body = f"{code} {phrase}\n{sentence}{': ' if detail else ''}{detail}\n".encode()
    lines = (
        f"HTTP/1.1 {code} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
    )
    return b"".join((lines.encode(), headers, _HSTS if tls else b"", b"\r\n", b"" if head else body))
