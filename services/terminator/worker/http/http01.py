"""HTTP-01 (RFC 8555 section 8.3): how the terminator answers a CA that asks for a challenge on port 80.

A CA requests `/.well-known/acme-challenge/<token>` of the host that it validates. The answer is the key authorization:
the token and the thumbprint of the ACME account's key (section 8.1). The thumbprint comes from the host's row in
`registry.challenges`, which the provisioner writes and removes with its order; the token is echoed. So nothing needs to
be stored for each token. `port80` calls these functions, and redirects a request for a host without such a row.
"""

import re
from typing import Final

from services.terminator.worker.http.pages import Status, page
from services.terminator.worker.http.request_head import Request

# The token is of the base64url alphabet (RFC 8555 section 8.3); nothing else is ever echoed.
_CHALLENGE: Final = re.compile(r"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,128})")

RETRY: Final = page(Status.UNAVAILABLE, headers=b"Retry-After: 5\r\n", tls=False)
"""The answer while the store cannot be asked whether an order is open."""


def token_of(request: Request) -> str | None:
    """Return the token that *request* asks for, None when it is not a request for a challenge."""
    match = _CHALLENGE.fullmatch(request.target) if request.method in ("GET", "HEAD") else None
    return match[1] if match else None


def key_authorization(request: Request, token: str, thumbprint: str) -> bytes:
    """Return the HTTP answer to *request*: the key authorization of *token* (RFC 8555 section 8.1)."""
    return page(Status.OK, body=f"{token}.{thumbprint}".encode(), tls=False, head=request.method == "HEAD")
