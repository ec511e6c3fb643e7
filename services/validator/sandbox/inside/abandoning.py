"""Giving up the current upload when the validator asks: keeping the process is cheaper than starting another."""

import ctypes
import signal
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from services.validator.sandbox import messages

T = TypeVar("T")

# Python runs a signal's handler in the main thread between two bytecodes. A signal that comes just before the main
# thread blocks in `join`, or that the kernel delivers to another thread, does not interrupt it, so a `join` without end
# would never run the handler. The validator gives a process half a second to abandon.
_LOOK_SECONDS: Final = 0.05

_at_work: set[threading.Thread] = set()
_abandoned: set[threading.Thread] = set()


class AbandonedError(BaseException):
    """The current upload is given up. It is not an `Exception`: no handler may report it as a fault of the upload."""


def listen() -> None:
    """Give up the current upload at each `messages.ABANDON` from now on. Call it in the main thread."""
    signal.signal(messages.ABANDON, lambda _number, _frame: _abandon())


def in_a_thread(act: Callable[[], T]) -> T | None:
    """Run *act* in a thread of its own and return its result; None when it was abandoned.

    A priority can be lowered and not raised again. It belongs to the thread, so the next upload does not inherit it.
    The result of an abandoned *act* is dropped even if there is one: cryptography's verifier takes any exception that
    is raised while it checks a signature for a wrong signature.
    """
    results: list[T] = []

    def run() -> None:
        if thread in _abandoned:  # the signal came before there was a thread to raise the error in
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
    if thread in _abandoned:
        _abandoned.discard(thread)
        return None
    return results[0] if results else None


def _abandon() -> None:
    for thread in _at_work:
        _abandoned.add(thread)
        if thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(AbandonedError))
