"""The key rings, the files that hold them, and the objects that processes make from them.

By default all files are in one folder. A process needs only its own files: the provisioner runs without the vault's
secret on its disk, the terminator without any signing secret. Objects that seal, sign or open follow their files while
the process runs (`live`), except the `AccountKeyBox`, which reads the provisioner's secret once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from shared.settings import KeySettings
from shared.vault import ring_storage
from shared.vault.account_box import AccountKeyBox
from shared.vault.intake import UploadReader, UploadWriter
from shared.vault.live import LiveRing
from shared.vault.rings import Half, Ring
from shared.vault.sealing import KeyReader, KeyWriter

Writer = Literal["provisioner", "validator"]
WRITERS: Final[tuple[Writer, ...]] = ("provisioner", "validator")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file with one half of one key ring."""

    field: str  # of `KeyFiles`, with the file's path if it is not in the common folder
    name: str  # in the common folder
    ring: str
    half: Half


VAULT_PUBLIC: Final = KeyFile("vault_public_file", "vault.public.json", "vault", "public")
VAULT_SECRET: Final = KeyFile("vault_secret_file", "vault.secret.json", "vault", "secret")
VERIFY: Final = KeyFile("verify_file", "verify.json", "verify", "public")
INTAKE_PUBLIC: Final = KeyFile("intake_public_file", "intake.public.json", "intake", "public")
INTAKE_SECRET: Final = KeyFile("intake_secret_file", "intake.secret.json", "intake", "secret")
SIGNING: Final = {
    writer: KeyFile(f"{writer}_signing_file", f"signing.{writer}.secret.json", f"signing.{writer}", "secret")
    for writer in WRITERS
}
PROVISIONER_SECRET: Final = KeyFile("provisioner_secret_file", "provisioner.secret.json", "provisioner", "secret")
ALL: Final = (
    VAULT_PUBLIC,
    VAULT_SECRET,
    VERIFY,
    INTAKE_PUBLIC,
    INTAKE_SECRET,
    *SIGNING.values(),
    PROVISIONER_SECRET,
)


class KeyFiles(KeySettings):
    """The paths of the key files: all in one folder, except those with a path of their own."""

    vault_public_file: Path | None = Field(None, validation_alias="VAULT_PUBLIC_FILE")
    vault_secret_file: Path | None = Field(None, validation_alias="VAULT_SECRET_FILE")
    verify_file: Path | None = Field(None, validation_alias="VERIFY_FILE")
    intake_public_file: Path | None = Field(None, validation_alias="INTAKE_PUBLIC_FILE")
    intake_secret_file: Path | None = Field(None, validation_alias="INTAKE_SECRET_FILE")
    provisioner_signing_file: Path | None = Field(None, validation_alias="PROVISIONER_SIGNING_FILE")
    validator_signing_file: Path | None = Field(None, validation_alias="VALIDATOR_SIGNING_FILE")
    provisioner_secret_file: Path | None = Field(None, validation_alias="PROVISIONER_SECRET_FILE")

    def path_of(self, file: KeyFile) -> Path:
        """Return the path of *file*."""
        named: Path | None = getattr(self, file.field)
        return named or self.keys_dir / file.name

    def load(self, file: KeyFile) -> Ring:
        """Return the ring in *file*.

        Raises:
            SettingsError: the file is missing, or contains something else.
        """
        return ring_storage.load(self.path_of(file), ring=file.ring, half=file.half)

    def follow(self, file: KeyFile) -> LiveRing:
        """Return the ring in *file*, which follows later changes of the file.

        Raises:
            SettingsError: the file is missing, or contains something else.
        """
        return LiveRing(self.path_of(file), ring=file.ring, half=file.half)

    def key_writer(self, writer: Writer) -> KeyWriter:
        """Return an object that seals private keys on behalf of *writer*."""
        return KeyWriter(vault=self.follow(VAULT_PUBLIC), signing=self.follow(SIGNING[writer]), writer=writer)

    def key_reader(self) -> KeyReader:
        """Return an object that opens private keys, for the terminator's control process only."""
        return KeyReader(vault=self.follow(VAULT_SECRET), verify=self.follow(VERIFY))

    def account_key_box(self) -> AccountKeyBox:
        """Return an object that seals and opens ACME account keys, for the provisioner only."""
        return AccountKeyBox(self.load(PROVISIONER_SECRET))

    def upload_writer(self) -> UploadWriter:
        """Return an object that seals private keys for uploads."""
        return UploadWriter(self.follow(INTAKE_PUBLIC))

    def upload_reader(self) -> UploadReader:
        """Return an object that opens uploads, for the validator only."""
        return UploadReader(self.follow(INTAKE_SECRET))
