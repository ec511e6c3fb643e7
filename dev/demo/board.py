"""What is known of each name at the moment, and of the queues: the state that is shown."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from certsmith.actions.queues import Figures
from dev.demo.visitor import Visit
from shared.names import Name


@dataclass(slots=True, kw_only=True)
class Entry:
    """One name, as people write it and as it is stored: how it stands, and what the visitor saw at the end."""

    shown: str
    name: Name
    state: str = "not published"
    sentence: str = ""
    published_at: float = 0.0
    seconds: float | None = None
    """From publish to its verified answer, or to its failure."""
    visit: Visit | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.seconds is not None

    @property
    def elapsed(self) -> float:
        """Seconds since it was published, until it was finished."""
        return time.monotonic() - self.published_at if self.seconds is None else self.seconds


@dataclass(slots=True, kw_only=True)
class Board:
    """All names; *on_change* hears of each change of an entry."""

    entries: Sequence[Entry]
    on_change: Callable[[Entry], None]
    on_note: Callable[[str], None]
    figures: Figures | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[Entry]:
        """Those that are not finished."""
        return [entry for entry in self.entries if not entry.is_finished]

    @property
    def all_served(self) -> bool:
        """Whether each name answered as it should."""
        return all(entry.visit is not None for entry in self.entries)

    def note(self, text: str) -> None:
        """Add something that happened outside."""
        self.notes.append(text)
        self.on_note(text)

    def publish(self, entry: Entry) -> None:
        """Note that *entry* is published now."""
        entry.published_at = time.monotonic()
        self.move(entry, "published", "")

    def move(self, entry: Entry, state: str, sentence: str) -> None:
        """Note how *entry* stands."""
        if (entry.state, entry.sentence) != (state, sentence):
            entry.state, entry.sentence = state, sentence
            self.on_change(entry)

    def serve(self, entry: Entry, visit: Visit) -> None:
        """Note that *entry* was visited."""
        entry.visit, entry.seconds = visit, entry.elapsed
        self.move(entry, "served", "https, verified")

    def fail(self, entry: Entry, sentence: str) -> None:
        """Note that nothing will come of *entry*."""
        entry.seconds = entry.elapsed
        self.move(entry, "failed", sentence)
