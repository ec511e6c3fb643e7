"""A customer with a certificate from the customer's own CA, which is uploaded with the command line."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.certificates import Authority
from shared.identifiers import CertificateId, new_certificate_id
from shared.names import Name

OWN: Final = Name("own.example.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The customer's files, and the TLS context of visitors that trust the customer's CA."""

    bundle: Path
    key: Path
    certificate_id: CertificateId
    trust: ssl.SSLContext

    @property
    def upload(self) -> tuple[str, ...]:
        """The words of the command that uploads the certificate and waits for the verdict."""
        files = ("--bundle", str(self.bundle), "--key", str(self.key))
        return ("publish", "certificate-uploaded", *files, "--attach", OWN, "--id", self.certificate_id, "--wait")

    @property
    def request(self) -> Mapping[str, None]:
        """Additional fields of the customer's `domain.created`: do not obtain a certificate."""
        return {"certificate_management_policy": None}


def new_customer(folder: Path) -> Customer:
    """Return a customer whose files are in *folder*."""
    authority = Authority.create("The customer's own CA")
    bundle, key = authority.issue_to(folder, OWN)
    return Customer(
        bundle=bundle,
        key=key,
        certificate_id=new_certificate_id(),
        trust=ssl.create_default_context(cadata=authority.pem.decode()),
    )
