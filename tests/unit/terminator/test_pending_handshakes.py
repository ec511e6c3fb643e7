"""A drop waits for the handshakes that may still show the dropped context."""

from services.terminator.worker.tls.pending_handshakes import PendingHandshakes

SHOP, OTHER, WILDCARD = "shop.example.com", "other.example.com", "*.example.com"


def test_without_pending_handshakes_a_drop_does_not_wait() -> None:
    pending, done = PendingHandshakes(), list[str]()
    pending.add("shop.example.net", object())

    pending.when_shown(WILDCARD, lambda: done.append("dropped"))

    assert done == ["dropped"]


def test_a_drop_waits_for_all_handshakes_that_the_domain_covers() -> None:
    pending, done = PendingHandshakes(), list[str]()
    first, second = object(), object()
    pending.add(SHOP, first)
    pending.add(OTHER, second)

    pending.when_shown(WILDCARD, lambda: done.append("wildcard"))
    pending.when_shown(SHOP, lambda: done.append("shop"))
    assert done == []
    pending.discard(SHOP, first)
    assert done == ["shop"]
    pending.discard(OTHER, second)

    assert done == ["shop", "wildcard"]


def test_a_drop_does_not_wait_for_handshakes_that_begin_later() -> None:
    pending, done = PendingHandshakes(), list[str]()
    first = object()
    pending.add(SHOP, first)
    pending.when_shown(SHOP, lambda: done.append("dropped"))

    pending.add(SHOP, object())
    pending.discard(SHOP, first)
    pending.discard(SHOP, first)

    assert done == ["dropped"]
