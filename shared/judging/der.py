"""As much of DER (X.690) as it takes to see what a certificate or a key is, before anybody computes with it.

A reader of a few dozen lines on purpose: it finds the type and the size of a key without building the key, so that a
modulus of 16,384 bits costs no more than any other. Only minimal, definite lengths are read; all else is refused.
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
    """Bytes that are not what was expected at this place of a structure."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, and its contents as a view that copies nothing."""

    tag: int
    contents: memoryview = field(repr=False)

    def elements(self) -> "list[Element]":
        """Return what a constructed element holds.

        Raises:
            NotDerError: it holds no whole elements, or more than any structure that is read here.
        """
        found: list[Element] = []
        rest = self.contents
        while rest:
            if len(found) == _MAX_ELEMENTS:
                raise NotDerError(f"more than {_MAX_ELEMENTS} elements in a row")
            element, rest = _read(rest)
            found.append(element)
        return found

    def expect(self, tag: int) -> "Element":
        """Return the element itself if it has *tag*.

        Raises:
            NotDerError: it has another.
        """
        if self.tag != tag:
            raise NotDerError(f"tag {self.tag:#04x}; {tag:#04x} was expected")
        return self


def whole(data: bytes | memoryview) -> Element:
    """Return the one element that *data* is.

    Raises:
        NotDerError: it is not one, or something follows it.
    """
    element, rest = _read(memoryview(data))
    if rest:
        raise NotDerError("there are more bytes behind the structure")
    return element


def dotted(identifier: bytes) -> str:
    """Return an object identifier's contents as people write it (X.690 section 8.19)."""
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
        NotDerError: it is none, or is negative, or has more leading zeros than needed.
    """
    octets = integer.expect(INTEGER).contents
    if not octets or octets[0] & 0x80 or (len(octets) > 1 and octets[0] == 0 and not octets[1] & 0x80):
        raise NotDerError("not a positive INTEGER")
    if octets[0] == 0:
        octets = octets[1:]
    return (len(octets) - 1) * 8 + octets[0].bit_length() if octets else 0


def _read(data: memoryview) -> tuple[Element, memoryview]:
    if len(data) < 2:  # noqa: PLR2004 - a tag and a length
        raise NotDerError("the structure is cut off")
    tag, length, start = data[0], data[1], 2
    if tag & 0x1F == 0x1F:  # noqa: PLR2004 - a tag of several octets; no structure read here has one
        raise NotDerError("a tag of several octets")
    if length & 0x80:
        start = 2 + (length & 0x7F)
        octets = data[2:start]
        length = int.from_bytes(octets, "big")
        if not 1 <= len(octets) <= 4 or len(octets) != start - 2 or octets[0] == 0 or length < 0x80:  # noqa: PLR2004
            raise NotDerError("a length that is not DER")
    end = start + length
    if end > len(data):
        raise NotDerError("the structure is cut off")
    return Element(tag, data[start:end]), data[end:]
