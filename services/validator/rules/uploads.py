"""An upload, as its message told it and as it waits for its verdict; values and pure functions."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.certificates import covers
from shared.events import Cause, CertificateUploaded, EventReason
from shared.identifiers import CertificateId
from shared.names import Name, NameRefusedError, normalize

MAX_ATTACHED: Final = 100  # domains that one upload can be attached to
_MAX_SHOWN: Final = 20  # names in one sentence; a certificate may have thousands


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a message asks to be judged, readable as far as it goes; *sealed* is None when it is not base64."""

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
    reasons: tuple[EventReason, ...]  # against it, before anybody has looked at bundle and key


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An upload in our hands, to be judged; *lease_token* says that it is in ours."""

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
    attempt: int  # tries that came to nothing by our own fault
    is_slow: bool  # it was tried, and took long
    lease_token: int


def read(data: CertificateUploaded, *, requested_at: datetime, cause: Cause) -> Upload:
    """Return what *data* asks for, with every reason against it that can be seen without opening anything."""
    attach, reasons = _attached(data.attach)
    sealed: bytes | None = None
    try:
        sealed = base64.b64decode(data.sealed, validate=True)
    except (binascii.Error, ValueError):
        message = "`sealed` is not base64 (RFC 4648 section 4, with padding, without line breaks)"
        reasons = (EventReason(code="sealed_not_base64", message=message, where="sealed"), *reasons)
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
    """Return the reason why a certificate for *names* cannot be attached to all of *attach*; None: it can."""
    missing = [name for name in attach if not covers(names, name)]
    if not missing:
        return None
    message = (
        f"the certificate is for {_listed(names)}, not for {_listed(missing)}; name only domains in `attach` that it "
        "covers (a wildcard covers one label), or upload one that covers all"
    )
    return EventReason(code="attach_not_covered", message=message, where="attach")


def other_chain(stored_id: CertificateId) -> EventReason:
    """Return the warning that the tenant has this certificate as *stored_id*, and other ones behind it."""
    message = (
        f"this certificate is stored as {stored_id} with other certificates behind it, and those are shown; to have "
        f"these instead, detach and delete {stored_id}, then upload it again under another identifier"
    )
    return EventReason(code="chain_not_replaced", message=message, where="bundle")


def _attached(texts: Sequence[str]) -> tuple[tuple[Name, ...], tuple[EventReason, ...]]:
    """Return the names that *texts* say, each once, and what is wrong with those that say none."""
    if len(texts) > MAX_ATTACHED:
        message = f"`attach` names {len(texts)} domains; at most {MAX_ATTACHED} were expected: attach the others later"
        return (), (EventReason(code="attach_too_many", message=message, where="attach"),)
    names: dict[Name, None] = {}
    reasons = []
    for number, text in enumerate(texts, 1):
        try:
            names[normalize(text)] = None
        except NameRefusedError as error:
            reasons.append(
                EventReason(code="attach_invalid_name", message=error.reason.message, where=f"attach {number}")
            )
    return tuple(names), tuple(reasons)


def _content_sha256(data: CertificateUploaded) -> bytes:
    """Return what tells one upload from another under the same identifier; fields of a later release change nothing."""
    return hashlib.sha256(data.model_dump_json(exclude_defaults=True).encode()).digest()


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MAX_SHOWN])
    return f"{shown} and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else shown or "no name"
