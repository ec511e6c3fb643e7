"""The targets of fuzzing. For every input: no error, at most a second of CPU, no contradictory result."""

import time
import warnings
from collections.abc import Callable
from typing import Final

from shared.judging.chain.bundle import PEM_RULES, read_bundle
from shared.judging.judge import _Examination
from shared.judging.key.private_key import read_key
from shared.judging.pem.blocks import scan
from shared.names import Name
from tests.builders.judging.certificates import AT, HOST
from tests.fuzz.uploads import Dice, upload_from

CPU_SECONDS: Final = 1.0
_RAW: Final = b"R"  # an input that begins with it has the two texts themselves, separated by a NUL


class TooExpensiveError(AssertionError):
    """An input cost more CPU than an upload may."""


def scanner(bundle: bytes, _key: bytes) -> None:
    """Scan the text of *bundle* for PEM blocks."""
    numbers = [block.number for block in scan(bundle, PEM_RULES).blocks]
    assert numbers == sorted(set(numbers))
    read_bundle(bundle)


def key_loader(_bundle: bytes, key: bytes) -> None:
    """Load the private key in *key*."""
    found = read_key(key)
    assert found.key is not None or any(not finding.rule.is_warning for finding in found.findings)


def whole_judge(bundle: bytes, key: bytes) -> None:
    """Judge *bundle* and *key* like `judge`, but without catching the unforeseen errors, which are the ones sought."""
    judgement = _Examination(AT, Name(HOST), None).run(bundle, key)
    assert judgement.is_accepted == (judgement.private_key is not None)
    if judgement.is_accepted:
        assert judgement.chain
        assert judgement.facts is not None


TARGETS: Final[dict[str, Callable[[bytes, bytes], None]]] = {
    "scanner": scanner,
    "key_loader": key_loader,
    "whole_judge": whole_judge,
}


def run(target: str, data: bytes) -> None:
    """Run *target* with the upload that *data* encodes.

    Raises:
        TooExpensiveError: the target used more than `CPU_SECONDS`.
        Exception: any error that the target did not expect.
    """
    if data[:1] == _RAW:
        bundle, _, key = data[1:].partition(b"\0")
    else:
        bundle, key = upload_from(Dice(data))
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        TARGETS[target](bundle, key)
    spent = time.process_time() - began
    if spent > CPU_SECONDS:
        raise TooExpensiveError(f"{target} took {spent:.2f} s of CPU for {len(bundle)} and {len(key)} bytes")
