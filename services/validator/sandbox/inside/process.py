"""The loop of a sandbox process: `Begin` confines it, then it judges one assignment after another.

It ends when the validator closes the socket or dies.
"""

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
from shared.judging import Finding, Judgement, judge, warm_up
from shared.process import confinement
from shared.process.ipc import Message, encode, receive

_MAX_TEXT: Final = 2000  # characters of one sentence

JudgeUpload = Callable[[bytes, bytes, datetime], Judgement]
"""Judges a bundle and a key, both PEM, as of an instant."""


def by_the_rules(bundle: bytes, key: bytes, at: datetime) -> Judgement:
    """Judge *bundle* and *key* by the rules, as of the instant *at*."""
    return judge(bundle, key, at=at)


def run(descriptor: int, judge_upload: JudgeUpload = by_the_rules) -> None:
    """Judge the uploads that arrive on the socket *descriptor* with *judge_upload*, until the socket is closed."""
    confinement.die_with_parent()
    with socket.socket(fileno=descriptor) as validator:
        begin = receive(validator, messages.FROM_VALIDATOR)
        if not isinstance(begin, messages.Begin):  # the validator has ended already
            return
        _silence_standard_streams()
        limits.confine()
        warm_up()
        validator.sendall(encode(messages.Ready()))
        while isinstance(assignment := receive(validator, messages.FROM_VALIDATOR), messages.Assignment):
            limits.limit_processor_time(begin.seconds)
            answer = abandoning.in_a_thread(partial(_answer, judge_upload, assignment)) or messages.Abandoned()
            limits.limit_processor_time(0)
            validator.sendall(encode(answer))


def _answer(judge_upload: JudgeUpload, assignment: messages.Assignment) -> Message:
    try:
        judgement = judge_upload(assignment.bundle, assignment.key, datetime.fromtimestamp(assignment.at, tz=UTC))
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
    except BaseException as error:  # noqa: BLE001 - the validator logs it; a panic in cryptography's core is not an Exception
        # The error's own text is left out: it may quote a secret.
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
    """Return *text* fit for JSON and PostgreSQL: it may quote strangers, and no single rule is the only guard."""
    cut = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
    return cut.encode(errors="replace").decode().replace("\x00", "?")


def _silence_standard_streams() -> None:
    """Discard what is written to standard output and standard error: a library may quote a secret there."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
