"""A confined process: tried out in processes of their own, which cannot undo it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(code: str) -> str:
    """Return what *code* prints in a process without site packages, after importing `confinement`."""
    program = f"import sys; sys.path.append({str(ROOT)!r})\nfrom shared.process import confinement\n{code}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_protected_memory_is_in_no_core_dump_and_open_to_no_other_process() -> None:
    code = (
        "import ctypes, resource\n"
        "confinement.protect_memory()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    )

    assert run(code) == "(0, 0) 0"


def test_privileges_cannot_be_gained() -> None:
    assert "NoNewPrivs:\t1" in run("confinement.gain_no_privileges()\nprint(open('/proc/self/status').read())")


def test_a_confined_process_writes_no_file(tmp_path: Path) -> None:
    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "confinement.write_no_files()\n"
        f"file = open({str(tmp_path / 'file')!r}, 'wb', buffering=0)\n"
        "try:\n    file.write(b'x')\nexcept OSError as error:\n    sys.stderr.write(str(error))\n"
    )
    run(code)

    assert (tmp_path / "file").read_bytes() == b""


def test_resources_are_limited() -> None:
    code = (
        "import resource\n"
        "confinement.limit_resources(memory_bytes=1 << 30, files=32)\n"
        "print(resource.getrlimit(resource.RLIMIT_AS)[1] >> 20, resource.getrlimit(resource.RLIMIT_NOFILE)[1])"
    )

    assert run(code) == "1024 32"
