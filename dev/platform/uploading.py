"""A customer's program that uploads certificates, written only from the description of the envelope in docs/events.md.

It shares no sealing code with the services: it reads the key ring as JSON and uses PyNaCl's box, as a customer would.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from nacl.public import PublicKey, SealedBox

from dev.platform.customer_ca import Issued

UPLOADED: Final = "certificate.uploaded"
HOUR: Final = timedelta(hours=1)


class Uploader:
    """Makes the data of `certificate.uploaded`, sealed to the newest intake key in the ring's file."""

    def __init__(self, intake_public_file: Path) -> None:
        self._file: Final = intake_public_file

    def upload(
        self,
        issued: Issued,
        *,
        certificate_id: str | None = None,
        tenant: str = "",
        attach: Sequence[str] = (),
        expires_in: timedelta = HOUR,
        **more: object,
    ) -> dict[str, Any]:
        """Return the data of an upload of *issued*; *more* are other fields of the event."""
        return self.upload_of(
            issued.bundle_pem,
            issued.key_pem,
            certificate_id=certificate_id,
            tenant=tenant,
            attach=attach,
            expires_in=expires_in,
            **more,
        )

    def upload_of(
        self,
        bundle: str,
        private_key: str,
        *,
        certificate_id: str | None = None,
        tenant: str = "",
        attach: Sequence[str] = (),
        expires_in: timedelta = HOUR,
        **more: object,
    ) -> dict[str, Any]:
        """Return the data of an upload of the two texts, valid or not."""
        certificate_id = certificate_id or f"cert_{secrets.token_hex(8)}"
        envelope = {
            "format": 1,
            "certificate_id": certificate_id,
            "tenant": tenant,
            "bundle_sha256": hashlib.sha256(bundle.encode()).hexdigest(),
            "expires_at": (datetime.now(UTC) + expires_in).isoformat(),
            "private_key_pem": private_key,
        }
        return {
            "certificate_id": certificate_id,
            **({"tenant": tenant} if tenant else {}),
            "certificate_pem": bundle,
            **self.sealed(json.dumps(envelope).encode()),
            **({"attach": list(attach)} if attach else {}),
            **more,
        }

    def sealed(self, plaintext: bytes) -> dict[str, str]:
        """Return the two fields of the event that carry *plaintext*, sealed; it need not be a valid envelope."""
        keys = [key for key in json.loads(self._file.read_text())["keys"] if key["retired_at"] is None]
        newest = max(keys, key=lambda key: datetime.fromisoformat(key["created_at"]))
        box = SealedBox(PublicKey(base64.b64decode(newest["public"])))
        return {"sealed": base64.b64encode(box.encrypt(plaintext)).decode(), "intake_key_id": newest["id"]}
