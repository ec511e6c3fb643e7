"""The names on the broker: exchanges, queues, and who says what he says as."""

from typing import Final

PUBLIC_EXCHANGE: Final = "certsmith.public"  # what others may say to us
EVENTS_EXCHANGE: Final = "certsmith.events"  # what has happened
UNROUTABLE: Final = "certsmith.unroutable"  # exchange and queue for public messages of a type that nobody takes


def queue_of(service: str, event_type: str) -> str:
    """Return the queue in which *service* gets public messages of *event_type*."""
    return f"{service}.{event_type}"


def dead_letters_of(service: str) -> str:
    """Return the queue for what the broker gave up to deliver to *service*."""
    return f"{service}.dead_letters"


def node_queues_of(service: str) -> str:
    """Return what the names of *service*'s exclusive queues begin with; permissions name it."""
    return f"{service}.node."


def source_of(service: str) -> str:
    """Return the CloudEvents `source` of what *service* tells."""
    return f"certsmith/{service}"
