"""Key rings in a folder, and a database with keys sealed to them, stored as the services store them."""

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from certsmith.rotation import RotationOptions, RotationReport, rotate
from certsmith.rotation.intake import IntakeRotation
from certsmith.rotation.signing import SigningRotation
from certsmith.rotation.steps import RingRotation
from certsmith.rotation.vault import VaultRotation
from shared.errors import SealError
from shared.identifiers import KeyId, new_key_id
from shared.registry import certificates
from shared.store import Connection, open_connection
from shared.vault import KeyFiles, KeyReader, SealedKey
from shared.vault.key_files import Writer
from shared.vault.rings import utc_now
from tests.rig.command_line import ROOT, Answer, certsmith

TENANT = "acme"


def secret_of(key_id: str) -> bytes:
    """Return the private key that is stored as *key_id*."""
    return f"the private key {key_id}".encode()


class Stock:
    """The rings in *folder*, and the keys in a database that are sealed to them."""

    def __init__(self, url: str, owner: Connection, folder: Path) -> None:
        self.url = url
        self.owner = owner
        self.folder = folder
        self.files = KeyFiles(keys_dir=folder)

    async def add(self, count: int, *, writer: Writer = "provisioner") -> list[SealedKey]:
        """Store *count* new keys of *writer*."""
        return await self.add_by(self.files, count, writer=writer)

    async def add_by(self, files: KeyFiles, count: int, *, writer: Writer = "provisioner") -> list[SealedKey]:
        """Store *count* new keys, sealed with the rings in *files*."""
        by = files.key_writer(writer)
        sealed = [
            by.seal(key_id=key_id, tenant=TENANT, private_key_pkcs8=secret_of(key_id), public_key_spki=key_id.encode())
            for key_id in (new_key_id() for _ in range(count))
        ]
        async with self.owner.transaction():
            for each in sealed:
                await certificates.insert_key(self.owner, each, tenant=TENANT)
        return sealed

    async def stored(self) -> list[SealedKey]:
        """Return all stored keys whose wraps are not erased."""
        rows = await self.owner.fetch(
            "SELECT id, writer, format, signing_key_id, public_key, ciphertext, signature, vault_key_id, wrap "
            "FROM registry.keys JOIN registry.key_wraps ON key_id = id ORDER BY id"
        )
        return [SealedKey(key_id=KeyId(row["id"]), **dict(list(row.items())[1:])) for row in rows]

    async def unopenable(self, reader: KeyReader | None = None) -> list[str]:
        """Return the ids of the stored keys that *reader*, by default a process that starts now, cannot open."""
        return [each.key_id for each in await self.stored() if not opens(reader or self.files.key_reader(), each)]

    async def wrapped_to(self) -> dict[str, int]:
        """Return how many keys are sealed to each vault key."""
        rows = await self.owner.fetch("SELECT vault_key_id, count(*) AS n FROM registry.key_wraps GROUP BY 1")
        return {row["vault_key_id"]: row["n"] for row in rows}

    def save(self, name: str) -> KeyFiles:
        """Return a copy of the rings as they are now."""
        shutil.copytree(self.folder, self.folder.parent / name)
        return KeyFiles(keys_dir=self.folder.parent / name)

    async def rotate(
        self,
        *rotations: RingRotation,
        begins: bool = True,
        forgets_now: bool = False,
        at: datetime | None = None,
        messages: list[str] | None = None,
    ) -> list[RotationReport]:
        """Rotate with the keeper's rights, with the clock standing at *at*."""
        options = RotationOptions(
            connect=lambda: open_connection(self.url, role="keeper"),
            notify=(messages if messages is not None else []).append,
            now=(lambda: at) if at else utc_now,
            activate_seconds=0,
            begins=begins,
            forgets_now=forgets_now,
        )
        return await rotate(rotations, options)

    def vault(self) -> VaultRotation:
        """Return a rotation of the vault ring, read from its files now."""
        return VaultRotation(self.files)

    def signing(self, writer: Writer = "provisioner") -> SigningRotation:
        """Return a rotation of the signing ring of *writer*, read from its files now."""
        return SigningRotation(self.files, writer)

    def intake(self) -> IntakeRotation:
        """Return a rotation of the intake ring, read from its files now."""
        return IntakeRotation(self.files)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a rotation."""
        return {"CERTSMITH_KEYS_DIR": str(self.folder), "KEEPER_DATABASE_URL": self.url}

    async def command(self, *words: str) -> Answer:
        """Run `certsmith keys rotate` with *words* to its end."""
        return await certsmith("keys", "rotate", *words, environment=self.environment)

    async def begin_command(self, *words: str) -> asyncio.subprocess.Process:
        """Start `certsmith keys rotate` with *words*."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "certsmith", "keys", "rotate", *words),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "CERTSMITH_CONFIG": os.devnull, **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


def opens(reader: KeyReader, sealed: SealedKey) -> bool:
    """Return whether *reader* opens *sealed* as the key that it is."""
    try:
        return reader.open(sealed, tenant=TENANT) == secret_of(sealed.key_id)
    except SealError:
        return False


def ids(keys: Sequence[SealedKey]) -> list[str]:
    """Return the ids of *keys*."""
    return [each.key_id for each in keys]
