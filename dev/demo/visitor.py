"""A visitor: one HTTPS request to a name, verified against the CA's root and the name, through the terminator."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_SECONDS: Final = 5.0


class NotServedError(Exception):
    """The name is not served, or not correctly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The certificate and the answer that the visitor received."""

    subject: str
    issuer: str
    not_after: str
    protocol: str
    status: str
    body: str


async def visit(name: str, address: tuple[str, int], trust: ssl.SSLContext) -> Visit:
    """Ask for `https://name/` at *address*.

    Raises:
        NotServedError: no answer, or a certificate that *trust* does not verify.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(*address, ssl=trust, server_hostname=name)
            try:
                writer.write(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
                return _visit(writer.get_extra_info("ssl_object"), answer.decode(errors="replace"))
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
        raise NotServedError(f"{name}: {str(error) or 'no answer in time'}") from error


def _visit(tls: ssl.SSLObject, answer: str) -> Visit:
    certificate: Mapping[str, Any] = tls.getpeercert() or {}
    head, _, body = answer.partition("\r\n\r\n")
    names = ", ".join(value for _, value in certificate.get("subjectAltName", ()))
    return Visit(
        subject=_common_name(certificate, "subject") or names,
        issuer=_common_name(certificate, "issuer") or "?",
        not_after=str(certificate.get("notAfter")),
        protocol=tls.version() or "?",
        status=head.partition("\r\n")[0].partition(" ")[2],
        body=body.strip(),
    )


def _common_name(certificate: Mapping[str, Any], field: str) -> str | None:
    for part in certificate.get(field, ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return None
