"""A judge's process: it is told how long it may take, then one assignment after another until its socket is closed."""

import os
import socket
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from services.validator.sandbox import messages
from services.validator.sandbox.inside import abandoning, limits
from shared.judging import Finding, Judgement, warm_up
from shared.judging import judge as judge_upload
from shared.process import confinement
from shared.process.ipc import Message, encode, receive

_MAX_SAID: Final = 2000  # characters of one sentence
Judge = Callable[[bytes, bytes, datetime], Judgement]


def ordinary(bundle: bytes, key: bytes, at: datetime) -> Judgement:
    """Return what there is to say of *bundle* and *key* at the instant *at*."""
    return judge_upload(bundle, key, at=at)


def run(descriptor: int, judge: Judge = ordinary) -> None:
    """Have *judge* judge what comes on the socket *descriptor* until the other side closes it."""
    confinement.die_with_parent()
    with socket.socket(fileno=descriptor) as validator:
        begin = receive(validator, messages.FROM_VALIDATOR)
        if not isinstance(begin, messages.Begin):  # the validator has ended already
            return
        _close_standard_error()
        limits.confine()
        warm_up()
        validator.sendall(encode(messages.Waiting()))
        while isinstance(assignment := receive(validator, messages.FROM_VALIDATOR), messages.Assignment):
            limits.limit_processor_time(begin.seconds)
            said = abandoning.in_a_thread(partial(_opinion, judge, assignment)) or messages.Abandoned()
            limits.limit_processor_time(0)
            validator.sendall(encode(said))


def _opinion(judge: Judge, assignment: messages.Assignment) -> Message:
    try:
        judgement = judge(assignment.bundle, assignment.key, datetime.fromtimestamp(assignment.at, tz=UTC))
        if not judgement.is_accepted:
            return messages.Rejected(_remarks(judgement.reasons), _remarks(judgement.warnings))
        assert judgement.private_key is not None  # it is accepted
        return messages.Accepted(
            warnings=_remarks(judgement.warnings),
            publicly_trusted=int(judgement.publicly_trusted),
            chain=judgement.chain,
            key=judgement.private_key,
        )
    except abandoning.AbandonedError:
        raise
    except BaseException as error:  # noqa: BLE001 - told to whoever asked; a panic in cryptography's core is no Exception
        # Not its text, which may quote a secret.
        frames = traceback.extract_tb(error.__traceback__)
        return messages.Failed(
            error=type(error).__name__, places=tuple(f"{Path(each.filename).name}:{each.lineno}" for each in frames)
        )


def _remarks(findings: tuple[Finding, ...]) -> tuple[messages.Remark, ...]:
    return tuple(
        messages.Remark(code=each.code, message=_storable(each.message), where=_storable(each.where))
        for each in findings
    )


def _storable(text: str) -> str:
    """Return *text* as it can be stored and sent: it may quote strangers, and no rule is the only guard."""
    cut = text if len(text) <= _MAX_SAID else f"{text[:_MAX_SAID]}…"
    return cut.encode(errors="replace").decode().replace("\x00", "?")


def _close_standard_error() -> None:
    """Write no logs any more: what a library says there may quote a secret."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
