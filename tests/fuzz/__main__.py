"""`python -m tests.fuzz TARGET [OPTION]...`: fuzzes one of `targets.TARGETS` by coverage; options are libFuzzer's.

It ends with status 0 after `-runs` inputs, or at the first that breaks what must hold, which is then in a file here.
"""

import resource
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore] # not for every machine; without types

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

    one(b"")  # what is made once is no input's cost
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
