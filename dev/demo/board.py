"""The state that the demo shows: each name, and the queues."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from certsmith.actions.queues import Backlog
from dev.demo.visitor import Visit
from shared.names import Name


@dataclass(slots=True, kw_only=True)
class Entry:
    """One name, as people write it and as it is stored, with its state and the visitor's final result."""

    shown: str
    name: Name
    state: str = "not published"
    sentence: str = ""
    published_at: float = 0.0
    seconds: float | None = None
    """The time from publishing to the verified answer, or to the failure."""
    visit: Visit | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it is served or has failed."""
        return self.seconds is not None

    @property
    def elapsed(self) -> float:
        """Seconds since it was published, until it was finished."""
        return time.monotonic() - self.published_at if self.seconds is None else self.seconds


@dataclass(slots=True, kw_only=True)
class Board:
    """The progress of all names; *on_change* is called whenever an entry changes, *on_note* for each note."""

    entries: Sequence[Entry]
    on_change: Callable[[Entry], None]
    on_note: Callable[[str], None]
    figures: Backlog | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[Entry]:
        """The entries that are not finished."""
        return [entry for entry in self.entries if not entry.is_finished]

    @property
    def all_served(self) -> bool:
        """Whether each name answered correctly."""
        return all(entry.visit is not None for entry in self.entries)

    def note(self, text: str) -> None:
        """Add a note about an event outside of Certsmith."""
        self.notes.append(text)
        self.on_note(text)

    def publish(self, entry: Entry) -> None:
        """Record that *entry* is published now."""
        entry.published_at = time.monotonic()
        self.move(entry, "published", "")

    def move(self, entry: Entry, state: str, sentence: str) -> None:
        """Record the state of *entry*."""
        if (entry.state, entry.sentence) != (state, sentence):
            entry.state, entry.sentence = state, sentence
            self.on_change(entry)

    def serve(self, entry: Entry, visit: Visit) -> None:
        """Record a successful visit to *entry*."""
        entry.visit, entry.seconds = visit, entry.elapsed
        self.move(entry, "served", "https, verified")

    def fail(self, entry: Entry, sentence: str) -> None:
        """Record that *entry* has failed."""
        entry.seconds = entry.elapsed
        self.move(entry, "failed", sentence)
