"""`python -m services.provisioner`."""

from functools import partial

from services.provisioner.app import serve
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from shared.process.lifecycle import Serve
from shared.process.running import run_program
from shared.settings import ServiceSettings, load
from shared.vault import KeyFiles


def main() -> int:
    """Serve until a signal asks to stop; return the exit code."""
    return run_program("provisioner", _prepare)


def _prepare() -> tuple[ServiceSettings, Serve]:
    settings, authority, keys = load(ProvisionerSettings), load(AuthoritySettings), load(KeyFiles)
    return settings, partial(serve, settings, authority, keys)


if __name__ == "__main__":
    raise SystemExit(main())
