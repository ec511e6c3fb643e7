"""An abandoned upload has no result, even if code on the way took the abandoning for a fault of the upload."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from services.validator.sandbox import messages
from services.validator.sandbox.inside import abandoning


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    before = signal.getsignal(messages.ABANDON)
    abandoning.listen()
    yield
    signal.signal(messages.ABANDON, before)


def test_a_result_is_returned_unless_it_was_abandoned() -> None:
    assert abandoning.in_a_thread(lambda: "answer") == "answer"


@pytest.mark.parametrize("_time", range(20))  # in one of a hundred the signal comes just before the main thread waits
def test_the_result_of_abandoned_work_is_dropped(_time: int) -> None:
    begun = threading.Event()

    def act() -> str:
        try:
            begun.set()
            while True:
                pass
        except BaseException:  # noqa: BLE001 - as cryptography's verifier does with what its signatures raise
            return "the signature is wrong"

    def abandon() -> None:
        begun.wait()
        os.kill(os.getpid(), messages.ABANDON)

    threading.Thread(target=abandon).start()

    assert abandoning.in_a_thread(act) is None


def test_work_is_abandoned_even_if_the_signal_reaches_another_thread() -> None:
    begun = threading.Event()

    def act() -> str:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {messages.ABANDON})  # in this thread only
        begun.set()
        while True:
            pass

    def abandon() -> None:
        begun.wait()
        os.kill(os.getpid(), messages.ABANDON)

    signal.pthread_sigmask(signal.SIG_BLOCK, {messages.ABANDON})
    threading.Thread(target=abandon).start()
    try:
        assert abandoning.in_a_thread(act) is None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {messages.ABANDON})
