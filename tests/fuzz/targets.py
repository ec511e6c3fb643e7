"""What is fuzzed, and what must hold whatever comes: no error, no more than a second of CPU, no contradiction."""

import time
import warnings
from collections.abc import Callable
from typing import Final

from shared.judging import Judgement
from shared.judging.bundle import ARMOUR, read_bundle
from shared.judging.judge import _Judging
from shared.judging.keys import read_key
from shared.judging.pem import scan
from shared.names import Name
from tests.fuzz.uploads import Dice, bundle_from, key_from, upload_from
from tests.unit.judging.builders import AT, HOST

CPU_SECONDS: Final = 1.0
_RAW: Final = 0x52  # an input that begins with this letter, R, is a text as it stands


class TooDearError(AssertionError):
    """An input cost more than an upload may."""


def scanner(data: bytes) -> None:
    """Scan a text."""
    scanned = scan(_made(data, bundle_from), ARMOUR)
    assert [block.number for block in scanned.blocks] == sorted({block.number for block in scanned.blocks})
    read_bundle(_made(data, bundle_from))


def key_loader(data: bytes) -> None:
    """Load a key."""
    found = read_key(_made(data, key_from))
    assert found.key is not None or any(not finding.rule.is_warning for finding in found.findings)


def whole_judge(data: bytes) -> None:
    """Judge a bundle with a key; what is accepted must be whole."""
    if data[:1] == bytes([_RAW]):
        bundle, _, key = data[1:].partition(b"\0")
    else:
        bundle, key = upload_from(Dice(data))
    judgement = judged(bundle, key)
    assert judgement.is_accepted == (judgement.private_key is not None)
    if judgement.is_accepted:
        assert judgement.chain
        assert judgement.facts is not None


def judged(bundle: bytes, key: bytes) -> Judgement:
    """Return the judgement, with the errors that `judge` would turn into one: they are what is looked for."""
    return _Judging(AT, Name(HOST), None).judge(bundle, key)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "scanner": scanner,
    "key_loader": key_loader,
    "whole_judge": whole_judge,
}


def run(target: str, data: bytes) -> None:
    """Give *data* to *target*.

    Raises:
        TooDearError: it cost more than `CPU_SECONDS`.
        Exception: whatever the target did not expect.
    """
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        TARGETS[target](data)
    spent = time.process_time() - began
    if spent > CPU_SECONDS:
        raise TooDearError(f"{target} took {spent:.2f} s of CPU for {len(data)} bytes")


def _made(data: bytes, make: Callable[[Dice], bytes]) -> bytes:
    return data[1:] if data[:1] == bytes([_RAW]) else make(Dice(data))
