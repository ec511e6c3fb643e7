"""Reserved ports and addresses stay reserved, even while nothing listens."""

import socket
import subprocess
import sys
from pathlib import Path

from dev import ports

ROOT = Path(__file__).parents[3]


def test_free_ports_are_distinct_and_below_the_ephemeral_range() -> None:
    found = [ports.free_port() for _ in range(200)]

    assert len(set(found)) == len(found)
    assert max(found) < 32_768


def test_a_port_on_which_a_process_listens_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.7", 0))
        assert not ports._is_free(listener.getsockname()[1])


def test_another_process_cannot_get_a_reserved_port() -> None:
    port = ports.free_port()

    assert _elsewhere(f"print(ports._claim('port {port}'))") == "False"


def test_a_port_is_free_again_when_its_process_has_ended() -> None:
    port = int(_elsewhere("print(ports.free_port())"))

    assert ports._claim(f"port {port}")


def test_addresses_are_loopback_and_distinct() -> None:
    found = {ports.free_address() for _ in range(50)}

    assert len(found) == 50
    for address in found:
        with socket.socket() as listener:
            listener.bind((address, 0))


def _elsewhere(statement: str) -> str:
    """Return what *statement* prints in another process."""
    program = [sys.executable, "-c", f"from dev import ports; {statement}"]
    return subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
