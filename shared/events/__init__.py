"""The events on the bus, one class for each type.

*Public* types are requests that others may publish (`requests`); *facts* report what has happened (`facts`). The type
is the routing key and the CloudEvents `type`. The models are the data; the envelope around them is `Event` going out
and `Incoming` coming in. `docs/asyncapi.yaml` and `docs/schemas/` are generated from here.
"""

from typing import Final

from shared.events.cause import NO_CAUSE, Cause
from shared.events.data import MAX_BODY_BYTES, Data, DomainText, JsonObject, PublicRequest, Tenant, Text255, Text4096
from shared.events.envelope import Event, Incoming
from shared.events.facts import (
    CertificateDeleted,
    CertificateDeletionRefused,
    CertificateDeployed,
    CertificateExpiring,
    CertificateFailed,
    CertificateReady,
    CertificateRejected,
    CertificateRevoked,
    DomainChanged,
    DomainRejected,
    DomainVersion,
    EventReason,
)
from shared.events.requests import (
    CertificateDeletionRequested,
    CertificateManagementPolicy,
    CertificateRenewalRequested,
    CertificateRevocationRequested,
    CertificateUploaded,
    DomainCreated,
    DomainDeleted,
    DomainUpdated,
    TerminateTls,
)
from shared.events.words import ErrorCode, OrderState, ReasonCode, Standing, UploadState, Word

__all__ = [
    "FACTS",
    "MAX_BODY_BYTES",
    "NO_CAUSE",
    "PUBLIC",
    "TYPES",
    "Cause",
    "CertificateDeleted",
    "CertificateDeletionRefused",
    "CertificateDeletionRequested",
    "CertificateDeployed",
    "CertificateExpiring",
    "CertificateFailed",
    "CertificateManagementPolicy",
    "CertificateReady",
    "CertificateRejected",
    "CertificateRenewalRequested",
    "CertificateRevocationRequested",
    "CertificateRevoked",
    "CertificateUploaded",
    "Data",
    "DomainChanged",
    "DomainCreated",
    "DomainDeleted",
    "DomainRejected",
    "DomainText",
    "DomainUpdated",
    "DomainVersion",
    "ErrorCode",
    "Event",
    "EventReason",
    "Incoming",
    "JsonObject",
    "OrderState",
    "PublicRequest",
    "ReasonCode",
    "Standing",
    "Tenant",
    "TerminateTls",
    "Text255",
    "Text4096",
    "UploadState",
    "Word",
]

PUBLIC: Final[dict[str, type[PublicRequest]]] = {
    model.type: model
    for model in (
        DomainCreated,
        DomainUpdated,
        DomainDeleted,
        CertificateUploaded,
        CertificateDeletionRequested,
        CertificateRenewalRequested,
        CertificateRevocationRequested,
    )
}
FACTS: Final[dict[str, type[Data]]] = {
    model.type: model
    for model in (
        DomainChanged,
        DomainRejected,
        CertificateReady,
        CertificateRejected,
        CertificateFailed,
        CertificateExpiring,
        CertificateDeployed,
        CertificateRevoked,
        CertificateDeleted,
        CertificateDeletionRefused,
    )
}
TYPES: Final[dict[str, type[Data]]] = {**PUBLIC, **FACTS}
