"""Nonces (RFC 8555 section 6.5): each request spends one, each answer brings one."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_-]{1,1024}")  # RFC 8555 section 6.5.1; others MUST be ignored
_KEPT: Final = 64  # more than the requests that a process has under way; old ones expire at the CA
# Let's Encrypt answers 503 to more than 20 requests a second for new-nonce, after a burst of 10.
_BURST: Final = 10
_PER_SECOND: Final = 20.0


def well_formed(header: str | None) -> str | None:
    """Return *header* if it is a nonce."""
    return header if header is not None and _WELL_FORMED.fullmatch(header) else None


class NoncePool:
    """The unspent nonces of a CA. The newest is used first, because it is valid for longest."""

    def __init__(self, fetch: Callable[[float], Awaitable[str]]) -> None:
        """Create a pool that calls *fetch*, with the deadline, when it has no nonce."""
        self._fetch = fetch
        self._nonces: deque[str] = deque(maxlen=_KEPT)
        self._fetching = asyncio.Lock()
        self._full_rate_at = 0.0

    def keep(self, nonce: str | None) -> None:
        """Keep the nonce of an answer, if it had one."""
        if nonce is not None:
            self._nonces.append(nonce)

    def spare(self) -> str | None:
        """Return a nonce for one request, if there is one."""
        return self._nonces.pop() if self._nonces else None

    async def take(self, deadline: float) -> str:
        """Return a nonce for one request, fetched if there is none.

        One task fetches at a time: the answers to other requests often bring enough nonces for all that wait.
        """
        async with self._fetching:
            if not self._nonces:
                await self._wait_for_turn()
            return self.spare() or await self._fetch(deadline)

    async def _wait_for_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        self._full_rate_at = max(self._full_rate_at, now - _BURST / _PER_SECOND) + 1 / _PER_SECOND
        if self._full_rate_at > now:
            await asyncio.sleep(self._full_rate_at - now)
