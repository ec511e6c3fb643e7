"""`python -m services.validator`."""

from functools import partial

from services.validator.app import serve
from services.validator.settings import ValidatorSettings
from shared.process.lifecycle import Serve
from shared.process.running import run_program
from shared.settings import ServiceSettings, load
from shared.vault import KeyFiles


def main() -> int:
    """Serve until a signal asks to stop; return the exit code."""
    return run_program("validator", _prepare)


def _prepare() -> tuple[ServiceSettings, Serve]:
    settings, keys = load(ValidatorSettings), load(KeyFiles)
    return settings, partial(serve, settings, keys)


if __name__ == "__main__":
    raise SystemExit(main())
