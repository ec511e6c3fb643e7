"""TLS contexts: one for each name, made on first use, limited in number, dropped when the control process says so.

Rules:

* A context belongs to one name and has its own ticket keys. So no session of one name resumes under another (RFC 6066
  section 3), and no session of a replaced certificate resumes under its successor.
* Unknown names are kept in a cache of their own, so that strangers' names push out no context.
"""

from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from services.terminator import messages
from services.terminator.name_cache import NameCache
from shared.tls import new_context
from shared.upstreams import Upstream, UpstreamRefusedError
from shared.upstreams import parse as parse_upstream

# A ticket key is as old as its context, and decrypts everything that was sent under it (RFC 9325 section 4.2.3).
MAX_CONTEXT_SECONDS: Final = 12 * 3600.0
REFUSED_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """How *name* is served until *until* (loop time). Without a *context* the name is unknown.

    *trouble* says why nothing can be forwarded; visitors see it. With *is_refused* a client gets only an alert.
    """

    until: float
    name: str = ""
    context: SSL.Context | None = None
    upstream: Upstream | None = None
    trouble: str = ""
    is_refused: bool = False

    @property
    def is_hosted(self) -> bool:
        """Whether the name is hosted here and has a certificate of its own."""
        return self.context is not None and bool(self.name)


class Contexts:
    """How names are served, as far as this worker knows. *now* is loop time."""

    def __init__(self, size: int) -> None:
        self._served: NameCache[Entry] = NameCache(size)
        self._unknown: NameCache[Entry] = NameCache(size)

    def __len__(self) -> int:
        return len(self._served)

    def get(self, name: str, now: float) -> Entry | None:
        """Return the entry of *name*, None when the control process must be asked."""
        entry = self._served.get(name) or self._unknown.get(name)
        if entry is None or entry.until > now:
            return entry
        self._forget(name)
        return None

    def serve(self, name: str, answer: messages.Serve, now: float) -> Entry:
        """Make and store the context of *name* from *answer*.

        Raises:
            ValueError, SSL.Error: certificate or key cannot be loaded.
        """
        context = new_context(answer.chain, answer.key, lowest=answer.lowest_version, highest=answer.highest_version)
        upstream, trouble = _usable(answer.upstream)
        entry = Entry(now + min(answer.seconds, MAX_CONTEXT_SECONDS), name, context, upstream, trouble)
        self._forget(name)
        self._served.put(name, entry)
        return entry

    def set_unknown(self, name: str, answer: messages.UnknownName, now: float) -> Entry:
        """Store that *name* is unknown."""
        return self._set_apart(Entry(now + answer.seconds, name))

    def set_refused(self, name: str, now: float) -> Entry:
        """Store that *name* cannot be served, so that not every connection tries again."""
        return self._set_apart(Entry(now + REFUSED_SECONDS, name, is_refused=True))

    def _set_apart(self, entry: Entry) -> Entry:
        self._forget(entry.name)
        self._unknown.put(entry.name, entry)
        return entry

    def drop(self, domain: str) -> None:
        """Forget *domain*, and the names under it when it is a wildcard."""
        for cache in (self._served, self._unknown):
            for name in cache.covered(domain):
                cache.drop(name)

    def _forget(self, name: str) -> None:
        self._served.drop(name)
        self._unknown.drop(name)


def _usable(text: str) -> tuple[Upstream | None, str]:
    """Return the upstream in *text*, or the reason why nothing can be forwarded to it."""
    if not text:
        return None, "no upstream is configured for this domain"
    try:
        return parse_upstream(text), ""
    except UpstreamRefusedError as error:
        return None, str(error)
