"""An ACME client (RFC 8555) on asyncio: one session for a process, many accounts and orders at once.

From the bottom up: `documents` parses a CA's documents (pure), `headers` its header fields (pure), `keys` signs
requests (pure), `nonces` keeps the tokens that each request spends, `transport` makes one HTTP exchange, `answers`
translates its answer into our values or errors (pure), `endpoint` sends signed requests to one CA, `order_list` finds
orders whose creation a crash lost, `account` implements the port `AcmeAccount`, and `certificate_authorities` the port
`CertificateAuthorities`.

Why not the `acme` package's own client: it blocks, drops Retry-After, gives up after two bad nonces, and shows a new
order only after further requests that may fail, so a crash loses the order.
"""

from services.provisioner.adapters.acme.certificate_authorities import (
    HttpCertificateAuthorities,
    open_certificate_authorities,
)

__all__ = ["HttpCertificateAuthorities", "open_certificate_authorities"]
