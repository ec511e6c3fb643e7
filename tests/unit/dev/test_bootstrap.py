"""dev/bootstrap finds missing packages, installs them without starting a service, and is quick when nothing is missing.

It runs in a copy of what it reads, with a PATH of its own: there `pebble` is missing, and `apt-get` and `id` are ours.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("sh", "cat", "sha256sum", "dirname", "mkdir", "flock", "grep", "tail", "rm", "chmod", "sleep")
COMMAND = "sudo apt-get update && sudo apt-get install --yes --no-install-recommends pebble"

# What Debian's tool does as far as we can see: it asks policy-rc.d before it starts a service.
APT_GET = """#!/bin/sh
echo "$*" >>"$APT_LOG"
[ "$1" = install ] || exit 0
"$POLICY_RC_D" rabbitmq-server start
echo "policy: $?" >>"$APT_LOG"
{then}
"""


class Machine:
    """A folder with everything that the script needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.policy = folder / "policy-rc.d"
        self.apt_log = folder / "apt.log"
        self.tools = folder / "bin"
        self.tools.mkdir()
        for tool in TOOLS:
            (self.tools / tool).symlink_to(shutil.which(tool) or tool)
        (folder / "dev").mkdir()
        for name in ("dev/bootstrap", "requirements-dev.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        self.add_tool("id", "#!/bin/sh\necho 0\n")
        self.add_tool("apt-get", APT_GET.format(then=""))
        self._complete_environment()

    def add_tool(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        path = self.tools / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self, purpose: str, **given: str) -> "subprocess.Popen[str]":
        """Run the script for *purpose*, with *given* added to its environment."""
        environment = {
            "PATH": str(self.tools),
            "PYTHON": sys.executable,
            "POLICY_RC_D": str(self.policy),
            "APT_LOG": str(self.apt_log),
            "RABBITMQ_SBIN": "/given",
            "POSTGRESQL_BIN": "/given",
            "OPENSSL": "/given",
        }
        return subprocess.Popen(
            [self.folder / "dev/bootstrap", purpose],
            env=environment | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, purpose: str, **given: str) -> tuple[int, str, str]:
        """Return exit status, output and errors."""
        process = self.start(purpose, **given)
        output, errors = process.communicate(timeout=30)
        return process.returncode, output, errors

    def _complete_environment(self) -> None:
        """Make a virtual environment that looks complete."""
        (self.folder / ".venv/bin").mkdir(parents=True)
        (self.folder / ".venv/bin/python").symlink_to(sys.executable)
        recipe = "cat requirements-dev.txt pyproject.toml dev/bootstrap | sha256sum >.venv/.complete"
        subprocess.run(["sh", "-c", recipe], cwd=self.folder, check=True)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_missing_package_is_installed_and_no_service_started(machine: Machine) -> None:
    status, output, errors = machine.run("test")

    assert (status, output, errors) == (0, "Installing pebble (log: .run/bootstrap.log)\n", "")
    assert machine.apt_log.read_text().splitlines() == [
        "update",
        "install --yes --no-install-recommends pebble",
        "policy: 101",
    ]
    assert not machine.policy.exists()


def test_only_tests_need_the_program_openssl(machine: Machine) -> None:
    machine.run("demo", OPENSSL="", PEBBLE="/given")
    assert not machine.apt_log.exists()

    machine.run("test", OPENSSL="", PEBBLE="/given")
    assert machine.apt_log.read_text().splitlines()[1] == "install --yes --no-install-recommends openssl"


def test_an_existing_policy_of_the_system_is_left_alone(machine: Machine) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 104\n")
    machine.policy.chmod(0o755)

    assert machine.run("test")[0] == 0

    assert machine.apt_log.read_text().splitlines()[-1] == "policy: 104"
    assert machine.policy.exists()


def test_a_failed_installation_says_why_and_leaves_no_policy(machine: Machine) -> None:
    machine.add_tool("apt-get", APT_GET.format(then="echo 'E: no space left'; exit 100"))

    status, _, errors = machine.run("test")

    assert status == 1
    assert errors.splitlines() == [
        "E: no space left",
        "Installing pebble failed. The lines above are the end of .run/bootstrap.log.",
    ]
    assert not machine.policy.exists()


def test_an_interrupted_installation_leaves_no_policy(machine: Machine) -> None:
    machine.add_tool("apt-get", APT_GET.format(then="sleep 600"))
    process = machine.start("test")
    deadline = time.monotonic() + 20
    while not (machine.apt_log.exists() and "policy: 101" in machine.apt_log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    os.killpg(process.pid, signal.SIGTERM)

    process.communicate(timeout=20)
    assert process.returncode == 143
    assert not machine.policy.exists()


def test_without_root_there_is_one_command_to_run(machine: Machine) -> None:
    machine.add_tool("id", "#!/bin/sh\necho 1000\n")

    status, output, errors = machine.run("test")

    assert (status, output) == (1, "")
    assert errors == f"Missing here: pebble. Run this, then try again:\n{COMMAND}\n"
    assert not machine.apt_log.exists()


def test_without_apt_the_missing_package_is_named(machine: Machine) -> None:
    (machine.tools / "apt-get").unlink()

    status, _, errors = machine.run("test")

    assert status == 1
    assert errors.startswith("Missing here: pebble. Install them, or say where they are")


def test_the_demo_installs_no_pebble_when_a_ca_is_given(machine: Machine) -> None:
    assert machine.run("demo", AUTOCERT_CA="https://ca.example/directory") == (0, "", "")


def test_tests_install_pebble_even_when_a_ca_is_given(machine: Machine) -> None:
    assert machine.run("test", AUTOCERT_CA="https://ca.example/directory")[1].startswith("Installing pebble")


def test_lint_needs_no_servers_and_a_complete_machine_causes_no_delay(machine: Machine) -> None:
    started = time.monotonic()

    assert machine.run("lint") == (0, "", "")

    assert time.monotonic() - started < 0.3


def test_an_interpreter_that_does_not_run_is_named(machine: Machine) -> None:
    (machine.folder / ".venv/.complete").unlink()

    status, _, errors = machine.run("lint", PYTHON="python2.9")

    assert status == 1
    assert errors.startswith("python2.9 is no Python 3.11 or later that runs here. Name another: make lint PYTHON=")
