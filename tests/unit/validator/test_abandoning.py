"""What was given up says nothing: somebody on the way may have taken the giving up for a fault of the upload."""

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


def test_what_is_not_given_up_is_returned() -> None:
    assert abandoning.in_a_thread(lambda: "opinion") == "opinion"


@pytest.mark.parametrize("_time", range(20))  # in one of a hundred the signal comes just before the main thread waits
def test_what_is_given_up_says_nothing_though_it_went_on(_time: int) -> None:
    begun = threading.Event()

    def act() -> str:
        try:
            begun.set()
            while True:
                pass
        except BaseException:  # noqa: BLE001 - as cryptography's verifier does with what its signatures raise
            return "the signature is wrong"

    def give_up() -> None:
        begun.wait()
        os.kill(os.getpid(), messages.ABANDON)

    threading.Thread(target=give_up).start()

    assert abandoning.in_a_thread(act) is None
