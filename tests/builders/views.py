"""Builders of the values that views return, valid by default."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from shared.registry.views.fates import Fate
from shared.registry.views.model import (
    CertificateView,
    HostedDomain,
    OrderView,
    StoredCertificate,
    UploadedCertificate,
    UploadView,
    UseView,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_certificate(**more: Any) -> CertificateView:
    values: dict[str, Any] = {
        "id": "cert_1",
        "chosen_by": "automatic",
        "source": "automatic",
        "names": ("shop.example.com",),
        "issuer": "CN=Some CA,O=Somebody",
        "serial_number": "1f",
        "fingerprint": "00" * 32,
        "key_type": "ecdsa",
        "not_before": NOW - timedelta(days=1),
        "not_after": NOW + timedelta(days=89),
        "revoked_at": None,
    }
    return CertificateView(**{**values, **more})


def an_order(**more: Any) -> OrderView:
    values: dict[str, Any] = {
        "id": "ord_1",
        "state": "queued",
        "reason": "created",
        "attempt": 0,
        "error_code": None,
        "message": None,
        "next_attempt_at": NOW,
        "is_in_hand": False,
        "created_at": NOW,
        "updated_at": NOW,
        "finished_at": None,
    }
    return OrderView(**{**values, **more})


def a_domain(**more: Any) -> HostedDomain:
    values: dict[str, Any] = {
        "id": "rd_1",
        "tenant": "",
        "name": "shop.example.com",
        "holds_name": True,
        "upstream": "tcp://10.0.0.7:8080",
        "key_type": "ecdsa",
        "version": 1,
        "requested_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
        "deleted_at": None,
        "certificate": None,
        "other_certificates": (),
        "order": None,
        "deployments": (),
    }
    return HostedDomain(**{**values, **more})


def a_fate(**more: Any) -> Fate:
    return Fate(**{"was_seen": True, "reason_code": None, "reason": None, **more})


def an_uploaded_certificate(**more: Any) -> UploadedCertificate:
    values: dict[str, Any] = {
        "id": "cert_1",
        "names": ("shop.example.com",),
        "issuer": "CN=Some CA,O=Somebody",
        "serial_number": "1f",
        "fingerprint": "00" * 32,
        "key_type": "ecdsa",
        "not_before": NOW - timedelta(days=1),
        "not_after": NOW + timedelta(days=89),
        "publicly_trusted": False,
    }
    return UploadedCertificate(**{**values, **more})


def a_stored_certificate(*, uses: Mapping[str, str] = MappingProxyType({}), **more: Any) -> StoredCertificate:
    values: dict[str, Any] = {
        "id": "cert_1",
        "tenant": "",
        "source": "uploaded",
        "names": ("shop.example.com",),
        "issuer": "CN=Some CA,O=Somebody",
        "serial_number": "1f",
        "fingerprint": "00" * 32,
        "key_type": "ecdsa",
        "not_before": NOW - timedelta(days=1),
        "not_after": NOW + timedelta(days=89),
        "revoked_at": None,
        "publicly_trusted": None,
        "description": "",
        "metadata": "",
        "created_at": NOW,
        "uses": tuple(UseView(domain=domain, by=by) for domain, by in uses.items()),
    }
    return StoredCertificate(**{**values, **more})


def an_upload(**more: Any) -> UploadView:
    values: dict[str, Any] = {
        "certificate_id": "cert_1",
        "tenant": "",
        "state": "received",
        "attach": (),
        "description": "",
        "metadata": "",
        "correlation_id": "ours",
        "attempt": 0,
        "next_attempt_at": NOW,
        "is_in_hand": False,
        "reasons": (),
        "warnings": (),
        "received_at": NOW,
        "judged_at": None,
        "certificate": None,
    }
    return UploadView(**{**values, **more})
