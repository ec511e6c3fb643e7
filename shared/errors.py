"""What can go wrong, by what the one who catches it can do.

::

    ServiceError
      PermanentError            trying again cannot help
        RefusedError            a message that will not be acted on: to the dead letters
        IllegalTransitionError  a state cannot be left in that way
        LostLeaseError          somebody else works on it now: leave it alone
        SealError               a sealed key is not what it claims to be
          MissingRingKeyError   it needs a ring key that is not here
      TransientError            trying again later may help
        StoreUnavailableError   PostgreSQL does not answer
        BrokerUnavailableError  RabbitMQ does not answer
    SettingsError               the process does not start

Texts are for people: what is wrong, with which object, what was expected, what to do.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.events import Data


class ServiceError(Exception):
    """Everything that a service raises on purpose."""


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
    """A message that will not be acted on, with all the *reasons*, and the *fact* to tell about it, if any.

    Whoever consumes writes the message to the dead letters and tells the fact, in one transaction.
    """

    def __init__(self, *reasons: Reason, fact: "Data | None" = None) -> None:
        super().__init__("; ".join(reason.message for reason in reasons))
        self.reasons = reasons
        self.fact = fact


class IllegalTransitionError(PermanentError):
    """A state cannot be left in the way that was asked for."""


class LostLeaseError(PermanentError):
    """The lease ended and the work may be in other hands: nothing was written, nothing more must be done."""


class SealError(PermanentError):
    """A sealed key is not what it claims to be: altered, moved, forged, or sealed to a secret that is not here."""


class MissingRingKeyError(SealError):
    """A sealed key is sealed to, or signed with, a ring key that is not here: not yet, not any more, or never was."""


class StoreUnavailableError(TransientError):
    """PostgreSQL does not answer."""


class BrokerUnavailableError(TransientError):
    """RabbitMQ does not answer, or did not confirm in time."""


class SettingsError(Exception):
    """The process cannot start with what it was told; the text names each setting and what it should be."""
