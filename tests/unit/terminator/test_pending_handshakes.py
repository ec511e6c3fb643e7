"""Who dropped a context waits for the handshakes that may still show it."""

from services.terminator.worker.tls.pending_handshakes import Unshown

SHOP, OTHER, WILDCARD = "shop.example.com", "other.example.com", "*.example.com"


def test_without_such_handshakes_there_is_no_wait() -> None:
    unshown, done = Unshown(), list[str]()
    unshown.add("shop.example.net", object())

    unshown.when_shown(WILDCARD, lambda: done.append("dropped"))

    assert done == ["dropped"]


def test_all_that_the_domain_covers_are_waited_for() -> None:
    unshown, done = Unshown(), list[str]()
    first, second = object(), object()
    unshown.add(SHOP, first)
    unshown.add(OTHER, second)

    unshown.when_shown(WILDCARD, lambda: done.append("wildcard"))
    unshown.when_shown(SHOP, lambda: done.append("shop"))
    assert done == []
    unshown.discard(SHOP, first)
    assert done == ["shop"]
    unshown.discard(OTHER, second)

    assert done == ["shop", "wildcard"]


def test_handshakes_that_begin_later_are_not_waited_for() -> None:
    unshown, done = Unshown(), list[str]()
    first = object()
    unshown.add(SHOP, first)
    unshown.when_shown(SHOP, lambda: done.append("dropped"))

    unshown.add(SHOP, object())
    unshown.discard(SHOP, first)
    unshown.discard(SHOP, first)

    assert done == ["dropped"]
