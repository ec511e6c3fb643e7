"""`certsmith publish certificate-uploaded`: a customer's own certificate, its key sealed before it leaves this process.

Only the validator can open the sealed key. No error message contains any part of the key.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from certsmith.exits import ExitCode
from certsmith.failures import CommandError
from certsmith.files import STANDARD_INPUT, read_file
from certsmith.publishing.requests import request_event
from shared.certificates import covers
from shared.errors import Reason, RefusedError
from shared.events import CertificateUploaded, Event, JsonObject, ReasonCode
from shared.identifiers import new_certificate_id, new_event_id
from shared.judging import judge
from shared.messaging.codec.clear_keys import holds_private_key
from shared.names import NameRefusedError, normalize
from shared.settings import load
from shared.vault import KeyFiles

MAX_BUNDLE_BYTES: Final = 256 * 1024
MAX_KEY_BYTES: Final = 32 * 1024

# The services' message says that the key is compromised; this key has not left the machine.
_KEY_IN_THE_CLEAR: Final = Reason(
    ReasonCode.KEY_IN_THE_CLEAR,
    "--bundle, --description or --metadata contains a private key, which would be sent in the clear; give the key with "
    "--key only, which is sealed; nothing was sent",
)


class WouldBeRejectedError(RefusedError):
    """The validator would reject the upload for these reasons, so it was not sent."""

    def __str__(self) -> str:
        reasons = (f"{each.message} ({each.code})" for each in self.reasons)
        return "\n".join(("this would be rejected, so nothing was sent", *reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAndKey:
    """The upload's certificates and their private key, both PEM."""

    bundle: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """The options of an upload; *lifetime* is how long its sealed key can be opened."""

    certificate_id: str | None
    tenant: str
    attach: Sequence[str]
    description: str | None
    metadata: str | None
    lifetime: timedelta


def read_certificate_and_key(bundle: Path, key: Path) -> CertificateAndKey:
    """Return the content of the two files.

    Raises:
        CommandError: a file cannot be read or is too large for an upload, or both are standard input.
    """
    if bundle == key == STANDARD_INPUT:
        text = "standard input can be either the bundle or the key; give the other as a file"
        raise CommandError(text, code="usage", exit_code=ExitCode.USAGE)
    return CertificateAndKey(
        bundle=read_file(bundle, what="--bundle", max_bytes=MAX_BUNDLE_BYTES),
        key=read_file(key, what="--key", max_bytes=MAX_KEY_BYTES),
    )


def require_acceptable(pair: CertificateAndKey, attach: Sequence[str]) -> None:
    """Return if the validator would accept *pair* now, and attach it to the domains *attach*.

    Raises:
        WouldBeRejectedError: the validator would reject it, for these reasons.
    """
    judgement = judge(pair.bundle, pair.key, at=datetime.now(UTC))
    reasons = [Reason(found.code, found.message) for found in judgement.reasons]
    if not reasons and judgement.facts is not None:
        reasons = _uncovered(judgement.facts.names, attach)
    if reasons:
        raise WouldBeRejectedError(*reasons)


def upload_event(
    pair: CertificateAndKey, wanted: UploadOptions, *, event_id: str | None = None, correlation_id: str | None = None
) -> Event:
    """Return the event that uploads *pair*, its key sealed to the current intake key.

    Without *correlation_id* its correlation id is the event's id, which identifies an upload that is published again.

    Raises:
        CommandError: bundle or key is not text.
        RefusedError: the services would refuse the request, for these reasons.
        SettingsError: the file of the intake's public keys is missing.
    """
    certificate_id = wanted.certificate_id or new_certificate_id()
    bundle = _text(pair.bundle, what="--bundle")
    sealed = (
        load(KeyFiles)
        .upload_writer()
        .seal(
            certificate_id=certificate_id,
            tenant=wanted.tenant,
            bundle=pair.bundle,
            expires_at=datetime.now(UTC) + wanted.lifetime,
            private_key_pem=_text(pair.key, what="--key"),
        )
    )
    data: JsonObject = {
        "certificate_id": certificate_id,
        "certificate_pem": bundle,
        "sealed": base64.b64encode(sealed.ciphertext).decode(),
        "intake_key_id": sealed.intake_key_id,
        "tenant": wanted.tenant,
        "attach": list(wanted.attach),
        "description": wanted.description or "",
        "metadata": wanted.metadata or "",
    }
    fields: JsonObject = {name: value for name, value in data.items() if value}
    if holds_private_key(json.dumps(fields).encode()):
        raise RefusedError(_KEY_IN_THE_CLEAR)
    own_id = new_event_id() if event_id is None else event_id
    return request_event(
        CertificateUploaded.type,
        fields,
        event_id=own_id,
        correlation_id=own_id if correlation_id is None else correlation_id,
    )


def _uncovered(names: Sequence[str], attach: Sequence[str]) -> list[Reason]:
    """Return a reason if a certificate for *names* does not cover every domain of *attach*."""
    try:
        hosts = [normalize(host) for host in attach]
    except NameRefusedError as error:
        return [error.reason]
    uncovered = [host for host in hosts if not covers(names, host)]
    if not uncovered:
        return []
    text = f"--attach: the certificate does not cover {', '.join(uncovered)}; it is for {', '.join(names)}"
    return [Reason(ReasonCode.ATTACH_NOT_COVERED, text)]


def _text(content: bytes, *, what: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        text = f"{what}: this is not PEM text; convert a DER file with `openssl ... -inform DER -outform PEM`"
        raise CommandError(text, code="file", exit_code=ExitCode.USAGE) from None
