"""An upload as its event describes it, and as a worker claims it; values and pure functions."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.certificates import covers
from shared.events import Cause, CertificateUploaded, EventReason, ReasonCode
from shared.identifiers import CertificateId
from shared.names import Name, NameRefusedError, normalize
from shared.sentences import some_of

MAX_ATTACHED: Final = 100  # domains to which one upload can be attached
MAX_SHOWN: Final = 20  # names in one sentence; a certificate may have thousands


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What `certificate.uploaded` asks to be judged, as far as it is readable.

    *sealed* is None when it is not base64.
    """

    certificate_id: CertificateId
    tenant: str
    content_sha256: bytes
    bundle: str = field(repr=False)
    sealed: bytes | None = field(repr=False)
    intake_key_id: str
    attach: tuple[Name, ...]
    description: str
    metadata: str
    requested_at: datetime
    cause: Cause
    reasons: tuple[EventReason, ...]  # against it, found without opening bundle or key


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedUpload:
    """An upload that this process has claimed to judge; *lease_token* proves the claim."""

    certificate_id: CertificateId
    tenant: str
    bundle: str = field(repr=False)
    sealed: bytes = field(repr=False)
    intake_key_id: str
    attach: tuple[Name, ...]
    description: str
    metadata: str
    requested_at: datetime
    received_at: datetime
    cause: Cause
    attempt: int  # tries that failed by a fault of this program
    is_slow: bool  # an earlier try took long
    lease_token: int


def read(data: CertificateUploaded, *, requested_at: datetime, cause: Cause) -> Upload:
    """Return what *data* asks for, with every reason to reject it that its envelope alone gives."""
    attach, reasons = _attached(data.attach)
    sealed: bytes | None = None
    try:
        sealed = base64.b64decode(data.sealed, validate=True)
    except (binascii.Error, ValueError):
        message = "`sealed` is not base64 (RFC 4648 section 4, with padding, without line breaks)"
        reasons = (EventReason(code=ReasonCode.SEALED_NOT_BASE64, message=message, where="sealed"), *reasons)
    return Upload(
        certificate_id=CertificateId(data.certificate_id),
        tenant=data.tenant,
        content_sha256=_content_sha256(data),
        bundle=data.certificate_pem,
        sealed=sealed,
        intake_key_id=data.intake_key_id,
        attach=attach,
        description=data.description,
        metadata=data.metadata,
        requested_at=requested_at,
        cause=cause,
        reasons=reasons,
    )


def uncovered(attach: Sequence[Name], names: Sequence[str]) -> EventReason | None:
    """Return why a certificate for *names* cannot be attached to all of *attach*; None when it can."""
    missing = [name for name in attach if not covers(names, name)]
    if not missing:
        return None
    message = (
        f"the certificate is for {_some(names)}, not for {_some(missing)}; name only domains in `attach` that it "
        "covers (a wildcard covers one label), or upload one that covers all"
    )
    return EventReason(code=ReasonCode.ATTACH_NOT_COVERED, message=message, where="attach")


def other_chain(stored_id: CertificateId) -> EventReason:
    """Return the warning that the tenant already has this certificate as *stored_id*, with another chain."""
    message = (
        f"this certificate is stored as {stored_id} with other intermediates, and those are served; to have these "
        f"served instead, detach and delete {stored_id}, then upload it again under another identifier"
    )
    return EventReason(code=ReasonCode.CHAIN_NOT_REPLACED, message=message, where="bundle")


def identifier_used(certificate_id: CertificateId) -> EventReason:
    """Return the reason that *certificate_id* was used for another upload."""
    message = (
        f"the identifier {certificate_id} was used before, for something else; choose one that was never used, and "
        "seal the key for it"
    )
    return EventReason(code=ReasonCode.CERTIFICATE_ID_TAKEN, message=message, where="certificate_id")


def deleted_since(certificate_id: CertificateId) -> EventReason:
    """Return the reason that the certificate of this upload was stored, and deleted since."""
    message = (
        f"the certificate uploaded as {certificate_id} was stored and then deleted; to have it again, upload it under "
        "an identifier that was never used"
    )
    return EventReason(code=ReasonCode.CERTIFICATE_DELETED, message=message, where="certificate_id")


def _attached(texts: Sequence[str]) -> tuple[tuple[Name, ...], tuple[EventReason, ...]]:
    """Return the distinct names in *texts*, and a reason to reject the upload for each text that is not a name."""
    if len(texts) > MAX_ATTACHED:
        message = f"`attach` names {len(texts)} domains; at most {MAX_ATTACHED} were expected: attach the others later"
        return (), (EventReason(code=ReasonCode.ATTACH_TOO_MANY, message=message, where="attach"),)
    names: dict[Name, None] = {}
    reasons = []
    for number, text in enumerate(texts, 1):
        try:
            names[normalize(text)] = None
        except NameRefusedError as error:
            reasons.append(
                EventReason(code=ReasonCode.ATTACH_INVALID_NAME, message=error.reason.message, where=f"attach {number}")
            )
    return tuple(names), tuple(reasons)


def _content_sha256(data: CertificateUploaded) -> bytes:
    """Return a digest of what the uploader sent; a field that is left at its default does not change it.

    So a field that a later release adds leaves the digest of today's uploads as it is.
    """
    return hashlib.sha256(data.model_dump_json(exclude_defaults=True).encode()).digest()


def _some(names: Sequence[str]) -> str:
    return some_of(names, most=MAX_SHOWN, none="no name")
