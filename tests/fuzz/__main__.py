"""`python -m tests.fuzz TARGET [OPTION]...`: fuzz one of `targets.TARGETS`, guided by coverage.

The options are libFuzzer's. The program exits with status 0 after `-runs` inputs, or stops at the first input that
breaks the target and writes that input to a file in .run/fuzz.
"""

import resource
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore] # not available on every machine, and without types

with atheris.instrument_imports(include=["shared.judging"]):
    from tests.fuzz import targets


def main(arguments: list[str]) -> None:
    """Fuzz the target that the first argument names."""
    if len(arguments) < 2 or arguments[1] not in targets.TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {{{'|'.join(targets.TARGETS)}}} [libFuzzer's options]")
    target = arguments[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    corpus = Path(".run") / "fuzz" / target
    corpus.mkdir(parents=True, exist_ok=True)

    def one(data: bytes) -> None:
        targets.run(target, data)

    one(b"")  # so that one-time work is not counted as an input's cost
    options = [
        "-max_len=4096",
        "-len_control=0",
        "-rss_limit_mb=768",
        "-timeout=30",
        f"-artifact_prefix={corpus}-",
        *arguments[2:],
    ]
    atheris.Setup([arguments[0], *options, *arguments[2:], str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
