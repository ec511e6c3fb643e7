"""Recognise files in other formats that were sent instead of PEM, and say how to convert them to PEM."""

import base64
import binascii
import re
from typing import Final

from shared.judging import der
from shared.judging.der import EXPLICIT_0, INTEGER, SEQUENCE, Element

# The content type of a ContentInfo (RFC 2315 section 14).
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")

_FROM_DER: Final = "a certificate in DER, not PEM; convert it with `openssl x509 -inform DER`"
_FROM_KEY: Final = "a private key in DER, not PEM; convert it with `openssl pkey -inform DER`"
_FROM_PKCS12: Final = (
    "a PKCS #12 file (.p12, .pfx), not PEM; extract the certificates with `openssl pkcs12 -nokeys`, "
    "the key with `openssl pkcs12 -nocerts -noenc`"
)
_FROM_PKCS7: Final = (
    "a PKCS #7 file (.p7b), not PEM; extract the certificates with `openssl pkcs7 -inform DER -print_certs`"
)
_FOR_SSH: Final = "which is for SSH; the private key that the certificate was made for is expected"

_STARTS: Final = (
    (b"\xfe\xed\xfe\xed", "a Java key store, not PEM; convert it with `keytool -importkeystore -deststoretype PKCS12`"),
    (b"PK\x03\x04", "a ZIP archive, not PEM; unpack it and provide the files inside"),
    (b"\x1f\x8b", "a gzip archive, not PEM; unpack it and provide the files inside"),
    (b"PuTTY-User-Key-File", f"a PuTTY key, {_FOR_SSH}"),
    (b"---- BEGIN SSH2", f"a key in SSH2 format, {_FOR_SSH}"),
    (b"ssh-", f"an OpenSSH public key, {_FOR_SSH}"),
    (b"ecdsa-sha2-", f"an OpenSSH public key, {_FOR_SSH}"),
    (b"<", "HTML or XML, not PEM; download the file itself"),
)
_JSON_WEB_KEY: Final = re.compile(rb'"kty"\s*:')
_LONG_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=\s]{64,}")
_EXPECTED: Final = "has no PEM block: a line -----BEGIN …-----, base64, and a line -----END …----- are expected"


def recognise(data: bytes) -> str:
    """Return the predicate of a sentence that says what *data* is instead of PEM and what to do. Never raises."""
    return f"is {what}" if (what := _what(data)) else _EXPECTED


def _what(data: bytes) -> str | None:
    if found := recognise_der(data):
        return found
    stripped = data.lstrip()
    for start, what in _STARTS:
        if stripped.startswith(start):
            return what
    if stripped.startswith((b"{", b"[")):
        form = "a JSON Web Key" if _JSON_WEB_KEY.search(data) else "JSON"
        return f"{form}, not PEM; provide the PEM text itself"
    if b"\x00" in data or data[:2] in {b"0\x80", b"0\x81", b"0\x82", b"0\x83"}:
        return "binary data, not PEM; export the certificates or the key as PEM (Base64)"
    if _LONG_BASE64.fullmatch(data):
        return _bare_base64(data)
    return None


def _bare_base64(data: bytes) -> str:
    try:
        inner = recognise_der(base64.b64decode(re.sub(rb"\s", b"", data), validate=True))
    except (binascii.Error, ValueError):
        inner = None
    what = inner.partition(" in DER")[0].partition(" file")[0].partition(", not")[0] if inner else "something"
    return f"base64 of {what} without its -----BEGIN …----- and -----END …----- lines; provide the whole PEM text"


def recognise_der(data: bytes) -> str | None:
    """Return a phrase for what the DER *data* is, judging by its outermost elements; None if it is not DER."""
    try:
        elements = der.whole(data).expect(SEQUENCE).elements()
        inner = elements[0].elements() if elements and elements[0].tag == SEQUENCE else []
    except der.NotDerError:
        return None
    return _by_tags(elements, tuple(element.tag for element in inner))


def _by_tags(elements: list[Element], inner: tuple[int, ...]) -> str:
    found = "DER of an unknown kind, not PEM; export the certificates or the key as PEM (Base64)"
    match [element.tag for element in elements]:
        case [0x06, *_]:  # ContentInfo
            found = _FROM_PKCS7 if bytes(elements[0].contents) == _SIGNED_DATA else "CMS, not PEM; export it as PEM"
        case [0x02, 0x30, *_]:  # PFX or PrivateKeyInfo; the version tells them apart
            found = _FROM_PKCS12 if bytes(elements[0].contents) == b"\x03" else _FROM_KEY
        case [0x02, 0x02 | 0x04, *_]:  # RSAPrivateKey, ECPrivateKey
            found = _FROM_KEY
        case [0x30, 0x04]:  # EncryptedPrivateKeyInfo
            found = "an encrypted private key in DER, not PEM; decrypt it with `openssl pkey -inform DER`"
        case [0x30, 0x03]:  # SubjectPublicKeyInfo
            found = "a public key in DER, not PEM"
        case [0x30, 0x30, 0x03]:
            found = _signed(inner)
    return found


def _signed(inner: tuple[int, ...]) -> str:
    if inner[:1] == (EXPLICIT_0,) or inner[:2] == (INTEGER, SEQUENCE) and len(inner) >= 6:  # noqa: PLR2004, RUF021
        return _FROM_DER
    if len(inner) == 4 and inner[3] == EXPLICIT_0:  # noqa: PLR2004 - CertificationRequestInfo
        return "a certificate signing request in DER; the certificate that the CA made from it is expected, as PEM"
    return "a certificate revocation list or another signed structure in DER; certificates are expected, as PEM"
