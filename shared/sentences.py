"""Parts of sentences for people."""

from collections.abc import Sequence


def some_of(texts: Sequence[str], *, most: int, none: str = "none") -> str:
    """Return the first *most* of *texts* joined, and the number of the others; *none* if there are no texts."""
    rest = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest or none
