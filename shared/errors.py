"""All errors, grouped by what the caller can do about them. Those of other modules are named with their module.

::

    ServiceError
      PermanentError                  trying again cannot help
        RefusedError                  a message is refused: it becomes a dead letter
          WouldBeRejectedError        (certsmith.publishing.uploading)
        IllegalTransitionError        the state does not allow this trigger
        LostLeaseError                the lease expired: another process has the work
        SealError                     a sealed key is not what it claims to be
          MissingRingKeyError         the ring key that it needs is not here
          SealedUploadError           (shared.vault.intake)
        SchemaError                   (certsmith.migration.schema)
        RotationBlockedError          (certsmith.rotation.options)
        OfferRefusedError             (services.terminator.control.offers)
        HelloError                    (services.terminator.rules.alerts)
        PlainHttpError                (services.terminator.rules.alerts)
        NotServableError              (services.terminator.rules.selection)
        BadRequestError               (services.terminator.worker.http.request_head)
        UpstreamForbiddenError        (services.terminator.worker.upstream.dialling)
        TookTooLongError              (services.validator.sandbox.process)
        UnreadableCertificateError    (shared.certificates)
        NameRefusedError              (shared.names)
        FrameError                    (shared.process.ipc)
        UnfitCertificateError         (shared.registry.domains.model)
        UnknownDomainError            (shared.registry.domains.model)
        RoleError                     (shared.store.roles)
        UpstreamRefusedError          (shared.upstreams)
      TransientError                  trying again later may help
        StoreUnavailableError         PostgreSQL does not answer
        BrokerUnavailableError        RabbitMQ does not answer
          _ExistsAlreadyError         (shared.messaging.broker.management)
        RotationUnderWayError         (certsmith.rotation.ring_files)
        AuthorityError                (services.provisioner.rules.acme)
        NameTakenError                (services.provisioner.runner)
        BudgetExhaustedError          (services.provisioner.store.budgets)
        UpstreamDownError             (services.terminator.worker.upstream.dialling)
        TooManySlowError              (services.validator.sandbox.pool)
        SandboxEndedError             (services.validator.sandbox.process)
        SandboxNotStartedError        (services.validator.sandbox.process)
        JudgingFailedError            (services.validator.verdict)
    SettingsError                     the process does not start

Error messages are for people: what is wrong, with which object, what was expected, what to do.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.events import Data


class ServiceError(Exception):
    """The base of all errors that the programs raise on purpose."""


class PermanentError(ServiceError):
    """Trying again cannot help."""


class TransientError(ServiceError):
    """Trying again later may help."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused: a stable *code* for programs and a *message* for people."""

    code: str
    message: str


class RefusedError(PermanentError):
    """A message is refused for all the *reasons*; *fact*, if any, is the event that reports it.

    The consumer writes the message to the dead letters and publishes the fact, in one transaction.
    """

    def __init__(self, *reasons: Reason, fact: "Data | None" = None) -> None:
        super().__init__("; ".join(reason.message for reason in reasons))
        self.reasons = reasons
        self.fact = fact


class IllegalTransitionError(PermanentError):
    """The state that an object is in does not allow this trigger."""


class LostLeaseError(PermanentError):
    """The lease expired, and another process may have the work: nothing was written, and nothing more may be done."""


class SealError(PermanentError):
    """A sealed key is not what it claims to be: altered, moved, forged, or sealed to a secret that is not here."""


class MissingRingKeyError(SealError):
    """A sealed key needs a ring key that is not here: it has not arrived yet, was deleted, or never existed."""


class StoreUnavailableError(TransientError):
    """PostgreSQL does not answer."""


class BrokerUnavailableError(TransientError):
    """RabbitMQ does not answer, or did not confirm in time."""


class SettingsError(Exception):
    """The process cannot start with these settings; the text names each wrong setting and what it should be."""
