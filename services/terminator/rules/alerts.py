"""TLS alerts that the terminator sends itself, before there is a TLS connection (RFC 8446 section 6)."""

from enum import IntEnum

from shared.errors import PermanentError


class Alert(IntEnum):
    """The descriptions of these alerts. All except the first are fatal."""

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

        RFC 8446 section 5.1: the receiver ignores the version of a record.
        """
        return bytes((21, 3, 3, 0, 2, 2, self))


class HelloError(PermanentError):
    """A client sent something that is not an acceptable ClientHello; *alert* is the answer."""

    def __init__(self, alert: Alert, message: str) -> None:
        super().__init__(message)
        self.alert = alert


class PlainHttpError(PermanentError):
    """A client sent plain HTTP to the port for TLS."""
