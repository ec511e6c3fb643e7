"""Reading a certificate that a stranger made: what is asked of it, and what may be raised by the asking."""

import warnings
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from shared.judging import der

# All that cryptography was seen to raise for what a damaged certificate holds.
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
        One of UNREADABLE, for whichever extension is damaged.
    """
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def value(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return the value of the extension *kind* of *certificate*, None if it has none.

    Raises:
        One of UNREADABLE, for whichever extension is damaged.
    """
    found = extension(certificate, kind)
    return None if found is None else found.value


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Say whether *certificate* names itself as its issuer (RFC 5280 section 3.2)."""
    return certificate.issuer == certificate.subject


def serial_number(certificate: x509.Certificate) -> int:
    """Return the serial number, also one that RFC 5280 forbids, of which cryptography would warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return certificate.serial_number


@lru_cache(maxsize=64)  # it is asked for again and again
def names_one_algorithm(certificate: x509.Certificate) -> bool:
    """Say whether the algorithm inside the signed part is the one beside the signature (RFC 5280 section 4.1.1.2).

    Raises:
        NotDerError: the structure is another one.
    """
    signed, outer, *_ = der.whole(certificate.public_bytes(Encoding.DER)).expect(der.SEQUENCE).elements()
    parts = signed.expect(der.SEQUENCE).elements()
    inner = parts[
        2 if parts[0].tag == der.EXPLICIT_0 else 1
    ]  # behind the version, which may be left out, and the serial
    return inner.contents == outer.contents
