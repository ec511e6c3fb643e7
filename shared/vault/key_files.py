"""Which key rings there are, in which files, and what each process makes of those that it has.

All of them are in one folder by default. A process needs only its own: the provisioner runs without any secret of the
vault on its disk, the terminator without any signing secret. What seals, signs and opens follows its files while the
process runs (`live`); only the provisioner's own secret is read once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from shared.settings import KeySettings
from shared.vault import ring_storage
from shared.vault.account_box import AccountKeyBox
from shared.vault.intake import UploadReader, UploadWriter
from shared.vault.live import FileRing
from shared.vault.rings import Half, Ring
from shared.vault.sealing import KeyReader, KeyWriter

Writer = Literal["provisioner", "validator"]
WRITERS: Final[tuple[Writer, ...]] = ("provisioner", "validator")


@dataclass(frozen=True, slots=True)
class RingFile:
    """The file of one key ring: the field of `KeyFiles` that may name it, its name in the folder, what it holds."""

    field: str
    name: str
    ring: str
    half: Half


VAULT_PUBLIC: Final = RingFile("vault_public_file", "vault.public.json", "vault", "public")
VAULT_SECRET: Final = RingFile("vault_secret_file", "vault.secret.json", "vault", "secret")
VERIFY: Final = RingFile("verify_file", "verify.json", "verify", "public")
INTAKE_PUBLIC: Final = RingFile("intake_public_file", "intake.public.json", "intake", "public")
INTAKE_SECRET: Final = RingFile("intake_secret_file", "intake.secret.json", "intake", "secret")
SIGNING: Final = {
    writer: RingFile(f"{writer}_signing_file", f"signing.{writer}.secret.json", f"signing.{writer}", "secret")
    for writer in WRITERS
}
PROVISIONER_SECRET: Final = RingFile("provisioner_secret_file", "provisioner.secret.json", "provisioner", "secret")
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
    """Where the key rings are: in one folder, but for those that are named one by one."""

    vault_public_file: Path | None = Field(None, validation_alias="VAULT_PUBLIC_FILE")
    vault_secret_file: Path | None = Field(None, validation_alias="VAULT_SECRET_FILE")
    verify_file: Path | None = Field(None, validation_alias="VERIFY_FILE")
    intake_public_file: Path | None = Field(None, validation_alias="INTAKE_PUBLIC_FILE")
    intake_secret_file: Path | None = Field(None, validation_alias="INTAKE_SECRET_FILE")
    provisioner_signing_file: Path | None = Field(None, validation_alias="PROVISIONER_SIGNING_FILE")
    validator_signing_file: Path | None = Field(None, validation_alias="VALIDATOR_SIGNING_FILE")
    provisioner_secret_file: Path | None = Field(None, validation_alias="PROVISIONER_SECRET_FILE")

    def path_of(self, file: RingFile) -> Path:
        """Return where *file* is."""
        named: Path | None = getattr(self, file.field)
        return named or self.keys_dir / file.name

    def load(self, file: RingFile) -> Ring:
        """Return the ring in *file*.

        Raises:
            SettingsError: it is missing, or holds something else.
        """
        return ring_storage.load(self.path_of(file), ring=file.ring, half=file.half)

    def follow(self, file: RingFile) -> FileRing:
        """Return the ring in *file* as it is at any time from now on.

        Raises:
            SettingsError: it is missing, or holds something else.
        """
        return FileRing(self.path_of(file), ring=file.ring, half=file.half)

    def key_writer(self, writer: Writer) -> KeyWriter:
        """Return what seals private keys in the name of *writer*."""
        return KeyWriter(vault=self.follow(VAULT_PUBLIC), signing=self.follow(SIGNING[writer]), writer=writer)

    def key_reader(self) -> KeyReader:
        """Return what opens private keys: in the terminator's control process only."""
        return KeyReader(vault=self.follow(VAULT_SECRET), verify=self.follow(VERIFY))

    def account_key_box(self) -> AccountKeyBox:
        """Return what keeps the keys of ACME accounts: in the provisioner only."""
        return AccountKeyBox(self.load(PROVISIONER_SECRET))

    def upload_writer(self) -> UploadWriter:
        """Return what seals private keys for an upload."""
        return UploadWriter(self.follow(INTAKE_PUBLIC))

    def upload_reader(self) -> UploadReader:
        """Return what opens uploads: in the validator only."""
        return UploadReader(self.follow(INTAKE_SECRET))
