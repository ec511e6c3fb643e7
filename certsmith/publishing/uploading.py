"""`certsmith publish certificate-uploaded`: a customer's own certificate, its key sealed before it leaves this process.

Only the validator can open it. No error shows anything of the key.
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
from shared.events import CertificateUploaded, Event, JsonObject
from shared.identifiers import new_certificate_id, new_event_id
from shared.judging import judge
from shared.messaging.codec.clear_keys import KEY_IN_THE_CLEAR, holds_private_key
from shared.names import NameRefusedError, normalize
from shared.settings import load
from shared.vault import KeyFiles

MAX_BUNDLE_BYTES: Final = 256 * 1024
MAX_KEY_BYTES: Final = 32 * 1024

# The services' sentence says that the key is compromised; this one has not left the machine.
_KEY_IN_THE_CLEAR: Final = Reason(
    KEY_IN_THE_CLEAR,
    "a private key would be sent in the clear: it is in --bundle, --description or --metadata, and belongs in --key "
    "alone, which is sealed; nothing was sent",
)


class WouldBeRejectedError(RefusedError):
    """The validator would reject an upload for these reasons, so it was not sent."""

    def __str__(self) -> str:
        reasons = (f"{each.message} ({each.code})" for each in self.reasons)
        return "\n".join(("this would be rejected, so nothing was sent", *reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAndKey:
    """What is uploaded: certificates and their private key, PEM both."""

    bundle: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """What is asked for with an upload; *lifetime* is for how long its sealed key can be opened."""

    certificate_id: str | None
    tenant: str
    attach: Sequence[str]
    description: str | None
    metadata: str | None
    lifetime: timedelta


def read_certificate_and_key(bundle: Path, key: Path) -> CertificateAndKey:
    """Return what is in the two files.

    Raises:
        CommandError: one cannot be read or is larger than an upload may be, or both are standard input.
    """
    if bundle == key == STANDARD_INPUT:
        text = "standard input can be the bundle or the key, not both"
        raise CommandError(text, code="usage", exit_code=ExitCode.USAGE)
    return CertificateAndKey(
        bundle=read_file(bundle, what="--bundle", max_bytes=MAX_BUNDLE_BYTES),
        key=read_file(key, what="--key", max_bytes=MAX_KEY_BYTES),
    )


def require_acceptable(pair: CertificateAndKey, attach: Sequence[str]) -> None:
    """Return if the validator would accept *pair* now, and attach it to the domains *attach*.

    Raises:
        WouldBeRejectedError: it would not, for these reasons.
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

    Its correlation id is its own id where none is given: an upload that is published again is known by it.

    Raises:
        CommandError: bundle or key is no text.
        RefusedError: the services would refuse it, for these reasons.
        SettingsError: the intake's public key is not here.
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
    said: JsonObject = {name: value for name, value in data.items() if value}
    if holds_private_key(json.dumps(said).encode()):
        raise RefusedError(_KEY_IN_THE_CLEAR)
    own_id = new_event_id() if event_id is None else event_id
    return request_event(
        CertificateUploaded.type,
        said,
        event_id=own_id,
        correlation_id=own_id if correlation_id is None else correlation_id,
    )


def _uncovered(names: Sequence[str], attach: Sequence[str]) -> list[Reason]:
    """Return a reason if a certificate for *names* does not cover all domains of *attach*."""
    try:
        hosts = [normalize(host) for host in attach]
    except NameRefusedError as error:
        return [error.reason]
    uncovered = [host for host in hosts if not covers(names, host)]
    if not uncovered:
        return []
    text = f"--attach: the certificate does not cover {', '.join(uncovered)}; it is for {', '.join(names)}"
    return [Reason("attach_not_covered", text)]


def _text(content: bytes, *, what: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        text = f"{what}: this is no text; PEM was expected (of DER, `openssl` makes it with -inform DER -outform PEM)"
        raise CommandError(text, code="file", exit_code=ExitCode.USAGE) from None
