"""A process that judges the uploads it reads and reports each one's cost: `python -m tests.rig.judging_cost`.

For each line of JSON on standard input, {"bundle", "key", "domain", "at"}, it writes a line of JSON, {"codes",
"cpu_seconds", "grown_bytes"}. The growth is the peak of the process's memory (`VmHWM` of proc(5)) minus its memory
before.
"""

import json
import sys
import time
from datetime import datetime
from pathlib import Path

from shared.judging import judge
from shared.names import normalize

_SELF = Path("/proc/self")


def main() -> None:
    """Judge one upload for each line of standard input."""
    for line in sys.stdin:
        asked = json.loads(line)
        bundle, key = asked["bundle"].encode(), asked["key"].encode()
        domain, at = normalize(asked["domain"]), datetime.fromisoformat(asked["at"])
        (_SELF / "clear_refs").write_text("5")  # resets the peak
        before = _kilobytes("VmRSS")
        began = time.process_time()
        judgement = judge(bundle, key, at=at, domain=domain)
        cpu_seconds = time.process_time() - began
        answer = {
            "codes": [finding.code for finding in judgement.reasons],
            "cpu_seconds": cpu_seconds,
            "grown_bytes": 1024 * (_kilobytes("VmHWM") - before),
        }
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer


def _kilobytes(figure: str) -> int:
    lines = (_SELF / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{figure}:"))


if __name__ == "__main__":
    main()
