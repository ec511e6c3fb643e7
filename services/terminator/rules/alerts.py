"""TLS alerts that are sent before, or instead of, a TLS connection (RFC 8446 section 6)."""

from enum import IntEnum

from shared.errors import PermanentError


class Alert(IntEnum):
    """The descriptions that we send ourselves; all are fatal but the first."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    ILLEGAL_PARAMETER = 47
    DECODE_ERROR = 50
    PROTOCOL_VERSION = 70
    INTERNAL_ERROR = 80
    UNRECOGNIZED_NAME = 112  # RFC 6066 section 3
    NO_APPLICATION_PROTOCOL = 120  # RFC 7301 section 3.2

    @property
    def record(self) -> bytes:
        """The record that carries the alert in the clear: type alert, version 1.2, two bytes, level fatal.

        RFC 8446 section 5.1: the version of a record is ignored by its reader.
        """
        return bytes((21, 3, 3, 0, 2, 2, self))


class HelloError(PermanentError):
    """What a client sent is no ClientHello that could be answered; *alert* tells it why."""

    def __init__(self, alert: Alert, message: str) -> None:
        super().__init__(message)
        self.alert = alert


class PlainHttpError(PermanentError):
    """A client speaks HTTP to the port for TLS."""
