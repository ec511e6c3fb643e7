"""`python -m services.provisioner`."""

import asyncio
import sys

import uvloop

from services.provisioner.app import serve
from services.provisioner.settings import AuthoritySettings, ProvisionerSettings
from shared import logs
from shared.errors import SettingsError
from shared.process import lifecycle
from shared.settings import LogSettings, load
from shared.vault import KeyFiles


def main() -> int:
    """Serve until told to stop; return the exit code."""
    try:
        logs.configure(load(LogSettings), service="provisioner")
        settings, authority, keys = load(ProvisionerSettings), load(AuthoritySettings), load(KeyFiles)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return lifecycle.EX_CONFIG
    lifecycle.protect_memory()

    async def serving(stop: asyncio.Event) -> None:
        await serve(settings, authority, keys, stop)

    return lifecycle.run(serving, grace_seconds=settings.grace_seconds, loop_factory=uvloop.new_event_loop)


if __name__ == "__main__":
    raise SystemExit(main())
