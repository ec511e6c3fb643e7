"""Domain names: normalize user input to the one form that is stored, compared and looked up.

That form is the A-label form (RFC 5890), lower case, without a trailing dot; a wildcard has `*` as its whole left-most
label (RFC 9525 section 6.3). Names that no public certificate can have are refused, with the reason.
"""

import ipaddress
import re
from functools import cache
from typing import Final, NewType

import idna
from publicsuffixlist import PublicSuffixList

from shared.errors import PermanentError, Reason

Name = NewType("Name", str)

MAX_NAME_LENGTH: Final = 253  # RFC 1035 section 2.3.4: 255 octets on the wire
MAX_LABEL_LENGTH: Final = 63
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")  # RFC 1123 section 2.1, "LDH" labels
# RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476: names that the public DNS will never have.
_SPECIAL_USE: Final = frozenset({"localhost", "local", "onion", "invalid", "alt", "internal", "arpa"})


class NameRefusedError(PermanentError):
    """A text that cannot be the name of a hosted domain; *reason* has a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


def normalize(text: str) -> Name:
    """Return *text* as the name that is stored: A-labels, lower case, no trailing dot.

    Raises:
        NameRefusedError: *text* is not a name, or is one that no public certificate can have.
    """
    shown = ascii(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - what fits a line
    if not text.strip():
        raise NameRefusedError("name_empty", "the domain is empty; a host name such as shop.example.com is expected")
    if len(text) > 4 * MAX_NAME_LENGTH:
        raise NameRefusedError("name_too_long", f"the domain has {len(text)} characters; a name has at most 253")
    if _is_address(text):
        raise NameRefusedError(
            "name_is_address", f"{shown} is an IP address; give the host name that visitors use instead"
        )
    host = text.removeprefix("*.")
    if "*" in host:
        raise NameRefusedError(
            "name_wildcard_position",
            f"{shown} has a wildcard that is not the whole left-most label, as in *.example.com",
        )
    name = _to_a_labels(host, shown)
    _check_labels(name, shown)
    _check_suffix(name, shown)
    return Name(f"*.{name}" if is_wildcard(text) else name)


def is_wildcard(name: str) -> bool:
    """Say whether *name* is a wildcard."""
    return name.startswith("*.")


def parent_wildcard(name: str) -> Name | None:
    """Return the only wildcard that covers the host *name*, one label up; None for a single label."""
    _, dot, rest = name.partition(".")
    return Name(f"*.{rest}") if dot and rest else None


def registered_domain(name: str) -> str:
    """Return the registered domain of *name* (public suffix and one label), to which CAs apply their rate limits."""
    host = name.removeprefix("*.")
    return _suffixes().privatesuffix(host) or host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip().removesuffix(".").strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _to_a_labels(host: str, shown: str) -> str:
    host = host.removesuffix(".")
    if host.isascii():
        lowered = host.lower()
        if "xn--" not in lowered:
            return lowered
    try:
        # UTS #46 maps case and width as browsers do; IDNA 2008 (RFC 5891) then decides which labels are valid.
        return idna.encode(host, uts46=True, transitional=False).decode("ascii").lower()
    except idna.IDNAError as error:
        raise NameRefusedError("name_not_idna", f"{shown} is not a valid internationalized name: {error}") from None


def _check_labels(name: str, shown: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise NameRefusedError("name_too_long", f"{shown} has {len(name)} characters; a name has at most 253")
    for label in name.split("."):
        if not label:
            raise NameRefusedError("name_empty_label", f"{shown} has an empty label (two dots, or a dot at an end)")
        if len(label) > MAX_LABEL_LENGTH:
            raise NameRefusedError(
                "name_label_too_long", f"{shown} has a label of {len(label)} characters; a label has at most 63"
            )
        if "_" in label:
            raise NameRefusedError(
                "name_underscore", f"{shown} has an underscore; host names, and so certificates, cannot have one"
            )
        if not _LABEL.fullmatch(label):
            raise NameRefusedError(
                "name_characters",
                f"{shown} has characters that host names cannot have; use only letters, digits, hyphens and dots",
            )


def _check_suffix(name: str, shown: str) -> None:
    last = name.rpartition(".")[2]
    if last.isdigit() or last in _SPECIAL_USE:
        raise NameRefusedError("name_not_public", f"{shown} ends in .{last}, which is never in the public DNS")
    if "." not in name or _suffixes().is_public(name):
        raise NameRefusedError(
            "name_public_suffix",
            f"{shown} is a public suffix, under which others register names; give the name of one site under it",
        )


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=True)
