"""The names on the broker: exchanges, queues, and each service's CloudEvents `source`."""

from typing import Final

PUBLIC_EXCHANGE: Final = "certsmith.public"  # requests, from the platform
EVENTS_EXCHANGE: Final = "certsmith.events"  # facts, from the services
UNROUTABLE: Final = "certsmith.unroutable"  # exchange and queue for public messages that no other queue accepts


def queue_of(service: str, event_type: str) -> str:
    """Return the queue in which *service* gets public messages of *event_type*."""
    return f"{service}.{event_type}"


def dead_letters_of(service: str) -> str:
    """Return the queue for messages that the broker gave up delivering to *service*."""
    return f"{service}.dead_letters"


def node_queues_of(service: str) -> str:
    """Return the prefix of the names of *service*'s exclusive queues; permissions name it."""
    return f"{service}.node."


def source_of(service: str) -> str:
    """Return the CloudEvents `source` of the events that *service* publishes."""
    return f"certsmith/{service}"
