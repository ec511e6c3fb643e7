"""The previous release of this repository, unpacked from its history so that its services run alongside ours.

`PREVIOUS_RELEASE` names the revision; without it, it is the newest tag, or the parent of HEAD where there is no tag.
"""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from dev.platform.logins import KEEPER, PRINCIPALS, SERVICES
from dev.platform.platform import Platform
from dev.platform.service import ROOT
from dev.waiting import finished


def unpack(folder: Path) -> Path:
    """Unpack the previous release into *folder* and return it."""
    archive = subprocess.run(["git", "archive", _revision()], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(folder, filter="data")
    return folder


async def migrate(platform: Platform, tree: Path) -> None:
    """Run `certsmith migrate` of the release in *tree* for *platform*, as its operator would."""
    logins = platform.logins
    environment = {
        "PATH": os.environ["PATH"],
        "CERTSMITH_CONFIG": str(platform.folder / "certsmith.yaml"),
        "DATABASE_URL": logins.administrator_url,
        "AMQP_URL": logins.administrator_amqp_url,
        "AMQP_MANAGEMENT_URL": logins.management_url,
        **{f"{role.upper()}_DATABASE_URL": logins.database_url(role) for role in (*SERVICES, KEEPER)},
        **{f"{user.upper()}_AMQP_URL": logins.amqp_url(user) for user in PRINCIPALS},
    }
    command_line = "certsmith" if (tree / "certsmith").is_dir() else "shared.cli"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", command_line, "migrate"),
        cwd=tree,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await finished(process.communicate(), "the previous release to migrate")
    assert process.returncode == 0, printed.decode()


def _revision() -> str:
    if named := os.environ.get("PREVIOUS_RELEASE"):
        return named
    tag = subprocess.run(["git", "describe", "--tags", "--abbrev=0"], cwd=ROOT, capture_output=True, check=False)
    return tag.stdout.decode().strip() or "HEAD^"
