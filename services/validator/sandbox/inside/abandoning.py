"""Giving up the upload in hand when the validator asks: a judge that goes on is cheaper than a new one."""

import ctypes
import signal
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from services.validator.sandbox import messages

T = TypeVar("T")

# Python runs a signal's handler in the main thread between two bytecodes. A signal that comes just before the main
# thread blocks in `join` does not interrupt it, so a `join` without end would never run the handler.
_LOOK_SECONDS: Final = 0.05

_at_work: set[threading.Thread] = set()
_given_up: set[threading.Thread] = set()


class AbandonedError(BaseException):
    """What is in hand is to be given up. No `Exception`, so that nobody takes it for a fault of the upload."""


def listen() -> None:
    """Give up what is in hand at each `wire.ABANDON` from now on; only a process's main thread can say so."""
    signal.signal(messages.ABANDON, lambda _number, _frame: _abandon())


def in_a_thread(act: Callable[[], T]) -> T | None:
    """Return what *act* returns, after running it in a thread of its own; None when it was abandoned.

    A priority can be lowered and not raised again. It is a thread's own, so the next upload does not inherit it.
    What was abandoned says nothing even if it comes to an end: cryptography's verifier takes whatever is raised while
    it checks a signature for a wrong signature.
    """
    results: list[T] = []

    def run() -> None:
        if thread in _given_up:  # before there was a thread to raise the error in
            return
        try:
            results.append(act())
        except AbandonedError:
            return

    thread = threading.Thread(target=run)
    _at_work.add(thread)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
    _at_work.discard(thread)
    if thread in _given_up:
        _given_up.discard(thread)
        return None
    return results[0] if results else None


def _abandon() -> None:
    for thread in _at_work:
        _given_up.add(thread)
        if thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(AbandonedError))
