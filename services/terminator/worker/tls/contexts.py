"""TLS contexts: one for each name, made on first use, bounded, dropped when told.

Rules:

* A context is of one name. Its ticket keys are its own, so no session of one name resumes under another (RFC 6066
  section 3), and none of a replaced certificate under its successor.
* Names that are nobody's are kept apart, so that strangers' names push out no context.
"""

from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from services.terminator import messages
from services.terminator.name_cache import NameCache
from shared.tls import new_context
from shared.upstreams import Upstream, UpstreamRefusedError
from shared.upstreams import parse as parse_upstream

# A ticket key is as old as its context; whoever gets it can read what was sent under it (RFC 9325 section 4.2.3).
MAX_CONTEXT_SECONDS: Final = 12 * 3600.0
REFUSED_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What is served for *name* until *until* (loop time); without a *context* the name is nobody's.

    *trouble* says why nothing can be forwarded; it is shown to visitors. With *is_refused* there is only an alert.
    """

    until: float
    name: str = ""
    context: SSL.Context | None = None
    upstream: Upstream | None = None
    trouble: str = ""
    is_refused: bool = False

    @property
    def is_hosted(self) -> bool:
        """Whether the name is somebody's, and has a certificate of its own."""
        return self.context is not None and bool(self.name)


class Contexts:
    """What this worker knows of names; *now* is loop time."""

    def __init__(self, size: int) -> None:
        self._served: NameCache[Entry] = NameCache(size)
        self._nobodys: NameCache[Entry] = NameCache(size)

    def __len__(self) -> int:
        return len(self._served)

    def get(self, name: str, now: float) -> Entry | None:
        """Return what is known of *name*, None when the control process must be asked."""
        entry = self._served.get(name) or self._nobodys.get(name)
        if entry is None or entry.until > now:
            return entry
        self._forget(name)
        return None

    def serve(self, name: str, answer: messages.Serve, now: float) -> Entry:
        """Keep what *answer* says of *name*.

        Raises:
            ValueError, SSL.Error: certificate or key cannot be loaded.
        """
        context = new_context(answer.chain, answer.key, lowest=answer.lowest_version, highest=answer.highest_version)
        upstream, trouble = _usable(answer.upstream)
        entry = Entry(now + min(answer.seconds, MAX_CONTEXT_SECONDS), name, context, upstream, trouble)
        self._forget(name)
        self._served.put(name, entry)
        return entry

    def set_nobodys(self, name: str, answer: messages.NotOurs, now: float) -> Entry:
        """Keep that *name* is nobody's."""
        return self._set_apart(Entry(now + answer.seconds, name))

    def set_refused(self, name: str, now: float) -> Entry:
        """Keep that *name* cannot be served, so that nobody has to find out again and again."""
        return self._set_apart(Entry(now + REFUSED_SECONDS, name, is_refused=True))

    def _set_apart(self, entry: Entry) -> Entry:
        self._forget(entry.name)
        self._nobodys.put(entry.name, entry)
        return entry

    def drop(self, domain: str) -> None:
        """Forget what the row of *domain* may be about."""
        for cache in (self._served, self._nobodys):
            for name in cache.covered(domain):
                cache.drop(name)

    def _forget(self, name: str) -> None:
        self._served.drop(name)
        self._nobodys.drop(name)


def _usable(text: str) -> tuple[Upstream | None, str]:
    """Return the upstream that *text* names, or why nothing can be forwarded to it."""
    if not text:
        return None, "no upstream is configured for this domain"
    try:
        return parse_upstream(text), ""
    except UpstreamRefusedError as error:
        return None, str(error)
