"""`python -m shared.process.health_check URL`: exits with 0 if *URL* answers 200, with 1 and the reason otherwise.

For the health checks of containers, whose image has no other HTTP client. It imports the standard library only, so that
a check is cheap.
"""

import http.client
import sys
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

_SECONDS: Final = 4.0


def probe(url: str) -> str | None:
    """Return why *url* does not answer 200; None when it does."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        return f"{url} is not an http:// address"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        text = response.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"{url} does not answer: {error}"
    finally:
        connection.close()
    return None if response.status == http.HTTPStatus.OK else text or f"{url} answers {response.status}"


def main(arguments: Sequence[str]) -> int:
    """Probe the one address of *arguments*; return the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m shared.process.health_check URL\n")
        return 2
    reason = probe(arguments[0])
    if reason is None:
        return 0
    sys.stderr.write(f"{reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
