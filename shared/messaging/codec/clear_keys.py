"""Finding a private key in the clear in a message, however it is wrapped, before the message is logged or kept.

Looked for: the PEM header of any private key (RFC 7468 section 10; PKCS #1, SEC 1 and OpenSSH have their own words),
the DER inside such a block without its header (RFC 5958, RFC 8017, RFC 5915), and a JSON Web Key with its private part
(RFC 7518 section 6). Looked at: the bytes as they are, with the escapes of JSON undone, and everything in them that is
base64, three wraps deep. Sealed boxes and certificates look like neither.

This is a net for mistakes. A sender who wants to hide a key can do so.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Final

_MAX_WRAPS: Final = 3
_SHORTEST_KEY: Final = 48  # bytes; an Ed25519 key in PKCS #8 (RFC 8410 section 7)

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", re.IGNORECASE)
_PEM_WITHOUT_SPACES = re.compile(rb"-----BEGIN[A-Z0-9]{0,40}PRIVATEKEY", re.IGNORECASE)
_JWK = re.compile(rb'"d"\s*:\s*"[A-Za-z0-9_=-]{40}')
# SEQUENCE { INTEGER 0 or 1, then an AlgorithmIdentifier, a modulus, or the octets of a key.
_DER = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01](?:\x30|\x02[\x40\x41\x81\x82]|\x04)", re.DOTALL)
_SHORTEST_RUN: Final = _SHORTEST_KEY * 4 // 3
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/]{%d,}" % _SHORTEST_RUN)
_BASE64URL_RUN = re.compile(rb"[A-Za-z0-9_-]{%d,}" % _SHORTEST_RUN)
# Escapes of JSON with any number of backslashes, for JSON inside JSON; the look-behind keeps a megabyte of backslashes
# from costing quadratic time. Texts with 250,000 line ends do occur: these are replaced without calling a function.
_LINE_ENDS = re.compile(rb"(?<!\\)(?:\\++[nrt])++")
_QUOTES = re.compile(rb'(?<!\\)\\++"')
_SLASHES = re.compile(rb"(?<!\\)\\++/")
_CODES = re.compile(rb"(?<!\\)\\++u00([0-9A-Fa-f]{2})")
# Without two backslashes in a row the text is JSON only once, like almost every message: no regular expression needed.
_SINGLE: Final = ((b"\\n", b"\n"), (b"\\r", b"\n"), (b"\\t", b"\n"), (b'\\"', b'"'), (b"\\/", b"/"))
_BLANKS: Final = b"\x00 \t\n\r\f\v"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def holds_private_key(data: bytes) -> bool:
    """Return whether *data* holds a private key in the clear."""
    layer = {data}
    for _ in range(_MAX_WRAPS + 1):
        views = {view for each in layer for view in _views(each)}
        if any(_shows_key(view) for view in views):
            return True
        layer = {inner for view in views for inner in _unwrapped(view)}
    return False


def _views(data: bytes) -> Iterator[bytes]:
    """Yield *data* without escapes, and again without white space."""
    unescaped = _unescaped(data) if b"\\" in data else data
    yield unescaped
    yield unescaped.translate(None, _BLANKS)


def _unescaped(data: bytes) -> bytes:
    plain = data
    if b"\\\\" in data:
        plain = _SLASHES.sub(b"/", _QUOTES.sub(b'"', _LINE_ENDS.sub(b"\n", data)))
    else:
        for escape, meant in _SINGLE:
            plain = plain.replace(escape, meant)
    return _CODES.sub(lambda code: bytes([int(code[1], 16)]), plain)


def _shows_key(view: bytes) -> bool:
    if _DER.match(view):
        return True
    if b"-----" in view and (_PEM.search(view) or _PEM_WITHOUT_SPACES.search(view)):
        return True
    return b'"kty"' in view and _JWK.search(view) is not None


def _unwrapped(view: bytes) -> Iterator[bytes]:
    """Yield each run of base64 in *view*, decoded; of either alphabet (RFC 4648), padded or not."""
    if len(view) < _SHORTEST_RUN:  # like most decoded lines of PEM
        return
    runs = {*_BASE64_RUN.findall(view), *_BASE64URL_RUN.findall(view)}
    for run in runs:
        yield binascii.a2b_base64(run[: len(run) // 4 * 4].translate(_TO_STANDARD))
