"""Publishes the provisioner's events through the outbox, in the transaction of the change."""

from functools import partial
from typing import Final

from shared.registry import events

SERVICE: Final = "provisioner"

publish = partial(events.publish, service=SERVICE)
publish_changed = partial(events.publish_changed, service=SERVICE)
