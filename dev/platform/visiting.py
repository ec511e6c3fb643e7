"""Visitors of the hosted domains: TLS clients that trust only the given root certificates."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final

from cryptography import x509

VISIT_SECONDS: Final = 60.0  # generous: the machine may be busy with other work
_LINE: Final = b"is anybody there\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A verified handshake (chain and name), and the upstream's answer to a line."""

    certificate: x509.Certificate
    tls_version: str
    answer: bytes

    @property
    def names(self) -> list[str]:
        """The DNS names of the certificate."""
        extension = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return extension.value.get_values_for_type(x509.DNSName)


class Visitor:
    """Visits domains at the address of a node."""

    def __init__(self, roots_pem: bytes) -> None:
        self._trust: Final = ssl.create_default_context(cadata=roots_pem.decode())
        self._trust.verify_flags |= ssl.VERIFY_X509_STRICT  # Python's own choice from 3.13 on

    async def visit(self, host: str, *, address: str, port: int) -> Visit:
        """Return the visit to *host* at *address*.

        Raises:
            OSError: nothing listens, the handshake was refused, or chain or name are wrong (ssl.SSLError).
            TimeoutError: it took longer than a visitor waits.
        """
        async with asyncio.timeout(VISIT_SECONDS):
            reader, writer = await asyncio.open_connection(address, port, ssl=self._trust, server_hostname=host)
            try:
                connection = writer.get_extra_info("ssl_object")
                writer.write(_LINE)
                answer = await reader.readline()
            finally:
                writer.transport.abort()
        leaf = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))
        return Visit(certificate=leaf, tls_version=connection.version(), answer=answer)
