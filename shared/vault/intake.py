"""Uploaded private keys in transit: the client seals a key to the intake, and only the validator can open it.

The sealed key is a `crypto_box_seal` (every NaCl library has it) of the JSON object {`format`: 1, `certificate_id`,
`tenant`, `bundle_sha256`, `expires_at`, `private_key_pem`}. The object names the event that it belongs to, so a copied
ciphertext is worthless: it is accepted only with that event, until it expires. The validator ensures that each
`certificate_id` is used once.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import SealError
from shared.vault.derived import Derived
from shared.vault.rings import Ring, RingSource, utc_now

FORMAT: Final = 1
MAX_SEALED_BYTES: Final = 49_152  # 64 KiB in base64, the limit of the event's field
LONGEST_LIFE: Final = timedelta(days=7)  # from sealing to `expires_at`; a retired intake key must open for this long
_MAX_KEY_CHARACTERS: Final = 32_768
_PLAIN_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedUpload:
    """An uploaded private key, sealed for transit, and the id of the intake key that opens it."""

    intake_key_id: str
    ciphertext: bytes = field(repr=False)


class SealedUploadError(SealError):
    """A sealed upload that cannot be accepted: *code* is stable, the text says why and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    format: Literal[1]
    certificate_id: str
    tenant: str
    bundle_sha256: str
    expires_at: AwareDatetime
    private_key_pem: Annotated[str, Field(max_length=_MAX_KEY_CHARACTERS, repr=False)]


class UploadWriter:
    """Seals a private key for one upload."""

    __slots__ = ("_intake", "_now")

    def __init__(self, intake: RingSource, *, now: Callable[[], datetime] = utc_now) -> None:
        """*intake* holds public halves; *now* is the clock that decides which of them are active.

        Raises:
            SettingsError: every key is retired or not active yet.
        """
        intake.read().current_at(now())
        self._intake = intake
        self._now = now

    def seal(
        self, *, certificate_id: str, tenant: str, bundle: bytes, expires_at: datetime, private_key_pem: str
    ) -> SealedUpload:
        """Return the key sealed for the upload of *bundle*, the text of `certificate_pem`, as *certificate_id*."""
        envelope = {
            "format": FORMAT,
            "certificate_id": certificate_id,
            "tenant": tenant,
            "bundle_sha256": hashlib.sha256(bundle).hexdigest(),
            "expires_at": expires_at.isoformat(),
            "private_key_pem": private_key_pem,
        }
        key = self._intake.read().current_at(self._now())
        box = SealedBox(PublicKey(key.material))
        return SealedUpload(intake_key_id=key.id, ciphertext=box.encrypt(json.dumps(envelope).encode()))


class UploadReader:
    """Opens uploads; only the validator can make one."""

    __slots__ = ("_boxes",)

    def __init__(self, intake: RingSource) -> None:
        """*intake* holds the secret keys."""
        self._boxes = Derived(intake, _boxes)

    def open(self, sealed: SealedUpload, *, certificate_id: str, tenant: str, bundle: bytes, now: datetime) -> str:
        """Return the private key (PEM) that was sealed for exactly this upload.

        Raises:
            SealedUploadError: the sealed key was made for another upload, has expired, expires too late, was altered,
                or is sealed to a key that is not in the ring.
        """
        envelope = self._envelope(sealed)
        if envelope.certificate_id != certificate_id:
            raise SealedUploadError("sealed_other_certificate_id", "the sealed key was made for another certificate_id")
        if envelope.tenant != tenant:
            raise SealedUploadError("sealed_other_tenant", "the sealed key was made for another tenant")
        if envelope.bundle_sha256.lower() != hashlib.sha256(bundle).hexdigest():
            raise SealedUploadError(
                "sealed_other_bundle", "the sealed key was made for another certificate_pem (bundle_sha256 differs)"
            )
        if now >= envelope.expires_at:
            raise SealedUploadError(
                "sealed_expired", f"the sealed key expired at {envelope.expires_at.isoformat()}; seal it again"
            )
        if envelope.expires_at > now + LONGEST_LIFE:
            raise SealedUploadError(
                "sealed_for_too_long",
                f"the sealed key expires at {envelope.expires_at.isoformat()}, more than {LONGEST_LIFE.days} days "
                "ahead; seal it again with an earlier expires_at",
            )
        return envelope.private_key_pem

    def _envelope(self, sealed: SealedUpload) -> _Envelope:
        box = self._boxes.get().get(sealed.intake_key_id)
        if box is None and self._boxes.refresh():
            box = self._boxes.get().get(sealed.intake_key_id)
        if box is None:
            raise SealedUploadError(
                "intake_key_unknown",
                f"there is no intake key {sealed.intake_key_id!r}; fetch the current intake key and seal to that",
            )
        if len(sealed.ciphertext) > MAX_SEALED_BYTES:
            raise SealedUploadError(
                "sealed_too_large",
                f"the sealed key has {len(sealed.ciphertext)} bytes; at most {MAX_SEALED_BYTES} are accepted",
            )
        try:
            opened = box.decrypt(sealed.ciphertext)
        except (CryptoError, ValueError):
            raise SealedUploadError(
                "sealed_unreadable",
                f"the sealed key cannot be opened by the intake key {sealed.intake_key_id}: it was altered, or sealed "
                "to another key; seal it again",
            ) from None
        try:
            return _Envelope.model_validate_json(opened)
        except ValidationError as error:
            places = ", ".join(sorted({_place(item["loc"]) for item in error.errors(include_input=False)}))
            raise SealedUploadError(
                "sealed_malformed", f"the sealed content is not an upload of format {FORMAT}: see {places}"
            ) from None


def _place(location: tuple[int | str, ...]) -> str:
    """Return the name of the field at *location*, unless it is not a plain name: it could be anything, even the key."""
    if not location:
        return "JSON"
    name = str(location[0])
    return name if _PLAIN_NAME.fullmatch(name) else "an odd name"


def _boxes(intake: Ring) -> dict[str, SealedBox[PrivateKey]]:
    return {key.id: SealedBox(PrivateKey(key.material)) for key in intake.keys}
