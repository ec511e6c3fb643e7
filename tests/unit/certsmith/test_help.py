"""The help texts of all commands."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from certsmith.application import application
from certsmith.exits import ExitCode

# Each costs a tenth of a second and more.
HEAVY = ("pydantic", "aiohttp", "asyncpg", "aio_pika", "aiormq", "cryptography", "nacl", "structlog")


def commands(command: object, path: str) -> Iterator[tuple[str, object]]:
    """Give every command with what one types to call it."""
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from commands(each, f"{path} {name}")
    else:
        yield path, command


ALL = dict(commands(get_command(application()), "certsmith"))


@pytest.mark.parametrize("path", ALL)
def test_every_command_shows_an_example_of_itself(path: str) -> None:
    help_text = str(getattr(ALL[path], "help", ""))

    assert f"Example:  {path}" in help_text


@pytest.mark.parametrize("path", ALL)
def test_no_paragraph_of_help_has_a_fixed_line_break(path: str) -> None:
    paragraphs = str(getattr(ALL[path], "help", "")).split("\n\n")

    assert [paragraph for paragraph in paragraphs if "\n" in paragraph] == []


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_the_option_json(path: str) -> None:
    options = [option for parameter in getattr(ALL[path], "params", ()) for option in parameter.opts]

    assert "--json" in options


@pytest.mark.parametrize("path", ALL)
def test_every_option_says_what_it_is_for(path: str) -> None:
    silent = [
        parameter.opts
        for parameter in getattr(ALL[path], "params", ())
        if parameter.param_type_name == "option" and not parameter.help
    ]

    assert silent == []


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from certsmith.__main__ import run\n"
        "code = run(['--help'])\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])\n"
        "sys.exit(code)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "loaded:"
    assert "domain-created" in done.stdout


def test_the_help_names_every_exit_code_but_that_of_ctrl_c() -> None:
    epilog = str(getattr(get_command(application()), "epilog", ""))

    assert all(f"{int(code)} " in epilog for code in ExitCode if code is not ExitCode.INTERRUPTED)
