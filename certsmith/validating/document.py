"""A judgement as JSON, the same for files and in a batch."""

from datetime import UTC, datetime
from typing import Final

from certsmith.validating.request import RequestError
from shared.certificates import CertificateFacts
from shared.judging import CertificateSummary, Finding, Judgement

Document = dict[str, object]
RequestId = str | int | None

ACCEPT: Final = "accept"
REJECT: Final = "reject"


def document_of(judgement: Judgement, *, request_id: RequestId = None) -> Document:
    """Return *judgement* as JSON, without any part of the key."""
    return {
        "id": request_id,
        "verdict": ACCEPT if judgement.is_accepted else REJECT,
        "reasons": [_of_finding(finding) for finding in judgement.reasons],
        "warnings": [_of_finding(finding) for finding in judgement.warnings],
        "publicly_trusted": judgement.publicly_trusted,
        "trust_anchor": judgement.trust_anchor,
        "chain": [_of_certificate(certificate) for certificate in judgement.certificates],
        "facts": None if judgement.facts is None else _of_facts(judgement.facts),
    }


def refusal(error: RequestError, *, request_id: RequestId = None) -> Document:
    """Return *error*, for which a request could not be judged, as JSON of the same shape as a judgement."""
    reason = {"code": error.code, "message": str(error), "where": error.where}
    unknown = document_of(Judgement(reasons=(), warnings=()), request_id=request_id)
    return unknown | {"verdict": REJECT, "reasons": [reason]}


def _of_finding(finding: Finding) -> Document:
    return {"code": finding.code, "message": finding.message, "where": finding.where}


def _of_certificate(certificate: CertificateSummary) -> Document:
    return {
        "number": certificate.number,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": _time(certificate.not_before),
        "not_after": _time(certificate.not_after),
        "key": certificate.key,
        "is_self_signed": certificate.is_self_signed,
    }


def _of_facts(facts: CertificateFacts) -> Document:
    return {
        "names": list(facts.names),
        "not_before": _time(facts.not_before),
        "not_after": _time(facts.not_after),
        "serial_number": facts.serial_number,
        "fingerprint": facts.fingerprint.hex(),
        "issuer": facts.issuer,
        "key_type": facts.key_type,
    }


def _time(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
