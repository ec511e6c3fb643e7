"""A sandbox process that does what the bundle says: `python -m tests.rig.validator.odd_sandbox FD`.

It is the product's own, except for its answer on these few bundles.
"""

import os
import signal
import sys
import time
from datetime import datetime

from services.validator.sandbox.inside import abandoning
from services.validator.sandbox.inside.process import by_the_rules, run
from shared.judging import Judgement, Rule

COMMAND = (sys.executable, "-m", "tests.rig.validator.odd_sandbox")

_failed: list[bool] = []


def judge(bundle: bytes, key: bytes, at: datetime) -> Judgement:
    """Do what *bundle* says, or judge it by the rules."""
    match bundle.split():
        case [b"spin", seconds]:
            until = time.thread_time() + float(seconds)
            while time.thread_time() < until:
                pass
        case [b"sleep"]:
            time.sleep(3600)
        case [b"crash"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        case [b"crash", b"once", marker] if not os.path.exists(marker):  # noqa: PTH110 - bytes
            os.mkdir(marker)  # noqa: PTH102 - bytes; a file could not be written
            os.kill(os.getpid(), signal.SIGSEGV)
        case [b"grow"]:
            bytearray(1 << 30)
        case [b"fail"]:
            _failed.append(True)
            raise ValueError(f"a message with {key!r} in it")
        case [b"say"]:
            rule = Rule(code="odd", source="", summary="")
            finding = rule.found("\ud800\x00" + 10_000_000 * "x", where="bundle\x00")
            return Judgement(reasons=(finding,), warnings=())
        case [b"write", path]:
            with open(path, "wb") as file:  # noqa: PTH123 - bytes
                file.write(key)
    return by_the_rules(bundle, key, at)


def judge_until_failed(bundle: bytes, key: bytes, at: datetime) -> Judgement:
    """Do what `judge` does, but fail at every upload after the first failure."""
    if _failed:
        raise MemoryError
    return judge(bundle, key, at)


if __name__ == "__main__":
    abandoning.listen()
    run(int(sys.argv[1]), judge_until_failed)
