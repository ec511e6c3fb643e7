"""Private servers."""
