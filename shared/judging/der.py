"""A minimal DER reader (X.690), just enough to identify a certificate or a key before using it.

It is small on purpose. It finds the type and size of a key without building the key, so that a modulus of 16,384 bits
costs no more than any other. It reads only minimal, definite lengths and refuses everything else.
"""

from dataclasses import dataclass, field
from typing import Final

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
EXPLICIT_0: Final = 0xA0
EXPLICIT_1: Final = 0xA1
_MAX_ELEMENTS: Final = 16  # TBSCertificate has 10, RSAPrivateKey 9


class NotDerError(ValueError):
    """Bytes that are not DER, or not the structure that was expected."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, and its contents as a view without a copy."""

    tag: int
    contents: memoryview = field(repr=False)

    def elements(self) -> "list[Element]":
        """Return the elements inside a constructed element.

        Raises:
            NotDerError: the contents are not complete elements, or more than _MAX_ELEMENTS.
        """
        found: list[Element] = []
        rest = self.contents
        while rest:
            if len(found) == _MAX_ELEMENTS:
                raise NotDerError(f"more than {_MAX_ELEMENTS} elements in one structure")
            element, rest = _read(rest)
            found.append(element)
        return found

    def expect(self, tag: int) -> "Element":
        """Return the element itself if it has *tag*.

        Raises:
            NotDerError: it has another tag.
        """
        if self.tag != tag:
            raise NotDerError(f"tag {self.tag:#04x}; {tag:#04x} was expected")
        return self


def whole(data: bytes | memoryview) -> Element:
    """Return the single element that *data* consists of.

    Raises:
        NotDerError: *data* is not an element, or more bytes follow it.
    """
    element, rest = _read(memoryview(data))
    if rest:
        raise NotDerError("more bytes follow the structure")
    return element


def dotted(identifier: bytes) -> str:
    """Return the contents of an OBJECT IDENTIFIER in dotted form (X.690 section 8.19)."""
    arcs, value = [], 0
    for octet in identifier[:32]:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        return "?"
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def bit_length(integer: Element) -> int:
    """Return the length in bits of a positive INTEGER.

    Raises:
        NotDerError: *integer* is not an INTEGER, is negative, or has more leading zeros than needed.
    """
    octets = integer.expect(INTEGER).contents
    if not octets or octets[0] & 0x80 or (len(octets) > 1 and octets[0] == 0 and not octets[1] & 0x80):
        raise NotDerError("not a positive INTEGER")
    if octets[0] == 0:
        octets = octets[1:]
    return (len(octets) - 1) * 8 + octets[0].bit_length() if octets else 0


def _read(data: memoryview) -> tuple[Element, memoryview]:
    if len(data) < 2:  # noqa: PLR2004 - a tag and a length
        raise NotDerError("the structure is truncated")
    tag, length, start = data[0], data[1], 2
    if tag & 0x1F == 0x1F:  # noqa: PLR2004 - a tag of several octets; no structure read here has one
        raise NotDerError("a tag has several octets")
    if length & 0x80:
        start = 2 + (length & 0x7F)
        octets = data[2:start]
        length = int.from_bytes(octets, "big")
        if not 1 <= len(octets) <= 4 or len(octets) != start - 2 or octets[0] == 0 or length < 0x80:  # noqa: PLR2004
            raise NotDerError("a length is not encoded as DER requires")
    end = start + length
    if end > len(data):
        raise NotDerError("the structure is truncated")
    return Element(tag, data[start:end]), data[end:]
