"""An ACME client (RFC 8555) on asyncio: one session for a process, many accounts and orders at once.

From the bottom up: `documents` reads what an authority says (pure), `keys` signs what is said to it (pure), `nonces`
keeps the tokens that each request spends, `transport` makes one HTTP exchange, `endpoint` makes an answered request of
it, and `authority` has the port's methods. Why not the `acme` package's own client: it blocks, drops Retry-After, gives
up after two bad nonces, and shows a new order only after further requests that may fail, so a crash loses the order.
"""

from services.provisioner.adapters.acme.certificate_authorities import (
    HttpCertificateAuthorities,
    open_certificate_authorities,
)

__all__ = ["HttpCertificateAuthorities", "open_certificate_authorities"]
