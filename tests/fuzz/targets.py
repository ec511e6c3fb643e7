"""What is fuzzed, and what must hold whatever comes: no error, no more than a second of CPU, no contradiction."""

import time
import warnings
from collections.abc import Callable
from typing import Final

from shared.judging.chain.bundle import ARMOUR, read_bundle
from shared.judging.judge import _Judging
from shared.judging.key.private_key import read_key
from shared.judging.pem.blocks import scan
from shared.names import Name
from tests.builders.judging.certificates import AT, HOST
from tests.fuzz.uploads import Dice, upload_from

CPU_SECONDS: Final = 1.0
_RAW: Final = b"R"  # an input that begins with it holds the texts themselves, with a NUL between them


class TooDearError(AssertionError):
    """An input cost more than an upload may."""


def scanner(bundle: bytes, _key: bytes) -> None:
    """Scan a text."""
    numbers = [block.number for block in scan(bundle, ARMOUR).blocks]
    assert numbers == sorted(set(numbers))
    read_bundle(bundle)


def key_loader(_bundle: bytes, key: bytes) -> None:
    """Load a key."""
    found = read_key(key)
    assert found.key is not None or any(not finding.rule.is_warning for finding in found.findings)


def whole_judge(bundle: bytes, key: bytes) -> None:
    """Judge a bundle with a key, as `judge` does but for its net: what that would catch is looked for."""
    judgement = _Judging(AT, Name(HOST), None).judge(bundle, key)
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
    """Give *target* what *data* stands for.

    Raises:
        TooDearError: it cost more than `CPU_SECONDS`.
        Exception: whatever the target did not expect.
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
        raise TooDearError(f"{target} took {spent:.2f} s of CPU for {len(bundle)} and {len(key)} bytes")
