"""Uploads with a fault in the PEM text, of the bundle or of the key."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tests.builders.judging.upload import Breaches, good, with_bundle, with_key

_FIRST_LINE: Final = re.compile(rb"(-----BEGIN [A-Z ]+-----\n)(.)")
_JUNK: Final = b"-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n"

# For each flaw (the last part of the code), functions that turn a good file into one with that flaw.
_FLAWS: Final[Mapping[str, Mapping[str, Callable[[bytes], bytes]]]] = {
    "empty": {
        "no byte": lambda _: b"",
        "blank lines": lambda _: b"\n \r\n",
    },
    "too_large": {
        "a huge comment": lambda text: text + b"# and so on\n" * 30_000,
    },
    "nul_byte": {
        "a NUL in a comment": lambda text: b"mine\0\n" + text,
        "a NUL in the base64": lambda text: _FIRST_LINE.sub(rb"\1\0\2", text, count=1),
    },
    "utf16": {
        "with a byte order mark": lambda text: text.decode().encode("utf-16"),
        "without one": lambda text: text.decode().encode("utf-16-be"),
    },
    "byte_order_mark": {
        "at the start": lambda text: b"\xef\xbb\xbf" + text,
    },
    "not_pem": {
        "prose": lambda _: b"see the attachment\n",
        "base64 alone": lambda text: b"".join(re.findall(rb"^[A-Za-z0-9+/=]+\n", text, re.MULTILINE)[:8]),
        "a spreadsheet": lambda _: b"PK\x03\x04" + bytes(64),
    },
    "truncated_block": {
        "without its last line": lambda text: text.rstrip().rpartition(b"\n")[0],
        "cut in the middle": lambda text: text[: len(text) - 100],
        "without its first line": lambda text: text.partition(b"\n")[2],
    },
    "labels_differ": {
        "another at the end": lambda text: text.replace(b"-----END ", b"-----END MY ", 1),
    },
    "broken_boundary": {
        "four hyphens": lambda text: text.replace(b"-----BEGIN", b"----BEGIN", 1),
        "long dashes": lambda text: text.replace(b"-----BEGIN", "\u2014\u2014BEGIN".encode(), 1),
        "indented": lambda text: text.replace(b"-----BEGIN", b"  -----BEGIN", 1),
        "quoted": lambda text: text.replace(b"-----BEGIN", b"> -----BEGIN", 1),
        "line breaks in words": lambda text: text.replace(b"\n", rb"\n"),
        "all in one line": lambda text: text.replace(b"\n", b" "),
    },
    "block_headers": {
        "a remark": lambda text: text.replace(b"-----\n", b"-----\nComment: mine\n\n", 1),
    },
    "bad_base64": {
        "another alphabet": lambda text: _FIRST_LINE.sub(rb"\1_", text, count=1),
        "a character too few": lambda text: _FIRST_LINE.sub(rb"\1", text, count=1),
        "a blank line": lambda text: _FIRST_LINE.sub(rb"\1\2\n\n", text, count=1),
        "nothing": lambda text: re.sub(rb"(-----BEGIN [A-Z ]+-----\n)[^-]*", rb"\1", text, count=1),
    },
    "too_many_blocks": {  # so the junk blocks are not reported one by one
        "junk": lambda text: text + _JUNK * 100,
    },
}

BREACHES: Final[Breaches] = {
    **{
        f"bundle_{flaw}": {
            how: partial(lambda make: with_bundle(make(good().bundle)), make) for how, make in ways.items()
        }
        for flaw, ways in _FLAWS.items()
    },
    **{
        f"key_{flaw}": {how: partial(lambda make: with_key(make(good().key)), make) for how, make in ways.items()}
        for flaw, ways in _FLAWS.items()
    },
}
