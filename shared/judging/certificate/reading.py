"""Read parts of a certificate that anybody may have made, and name the errors that reading a damaged one raises."""

import warnings
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from shared.judging import der

# Every exception that cryptography was seen to raise for a damaged certificate.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> x509.Extension[_Extension] | None:
    """Return the extension *kind* of *certificate*, None if it has none.

    Raises:
        One of UNREADABLE: some extension, not necessarily this one, is damaged.
    """
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def value(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return the value of the extension *kind* of *certificate*, None if it has none.

    Raises:
        One of UNREADABLE: some extension, not necessarily this one, is damaged.
    """
    found = extension(certificate, kind)
    return None if found is None else found.value


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Say whether *certificate* names itself as its issuer (RFC 5280 section 3.2)."""
    return certificate.issuer == certificate.subject


def serial_number(certificate: x509.Certificate) -> int:
    """Return the serial number, without cryptography's warning about those that RFC 5280 forbids."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return certificate.serial_number


@lru_cache(maxsize=64)  # one judgement asks several times for each certificate
def names_one_algorithm(certificate: x509.Certificate) -> bool:
    """Say whether the signed part and the signature name the same algorithm (RFC 5280 section 4.1.1.2).

    Raises:
        NotDerError: *certificate* has another structure.
    """
    signed, outer, *_ = der.whole(certificate.public_bytes(Encoding.DER)).expect(der.SEQUENCE).elements()
    parts = signed.expect(der.SEQUENCE).elements()
    inner = parts[
        2 if parts[0].tag == der.EXPLICIT_0 else 1
    ]  # after the version, which is optional, and the serial number
    return inner.contents == outer.contents
