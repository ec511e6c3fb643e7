"""DER as a tree that can be altered and encoded again with correct lengths."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.builders.judging import der

_CONSTRUCTED: Final = 0x20
_HOLDERS: Final = (0x03, 0x04)  # BIT STRING and OCTET STRING, which often hold DER
_DEEPEST: Final = 24


@dataclass(slots=True)
class Node:
    """An element: its tag and its content, which is *before* followed by the children."""

    tag: int
    before: bytes = b""
    children: list["Node"] = field(default_factory=list)

    def encoded(self) -> bytes:
        """Return the element in DER."""
        return der.tlv(self.tag, self.before, *(child.encoded() for child in self.children))

    def nodes(self) -> Iterator["Node"]:
        """Yield this node and all nodes below it."""
        yield self
        for child in self.children:
            yield from child.nodes()


def parse(data: bytes) -> Node | None:
    """Return the tree of *data*; None unless *data* is exactly one element."""
    found = _elements(data, 0)
    return found[0] if found is not None and len(found) == 1 else None


def _elements(data: bytes, depth: int) -> list[Node] | None:
    """Return the elements that *data* consists of; None if it is not a list of elements."""
    found = []
    position = 0
    while position < len(data):
        head = _head(data, position)
        if head is None or depth > _DEEPEST:
            return None
        tag, start, end = head
        found.append(_node(tag, data[start:end], depth))
        position = end
    return found


def _node(tag: int, content: bytes, depth: int) -> Node:
    if tag & _CONSTRUCTED:
        children = _elements(content, depth + 1)
        return Node(tag, content) if children is None else Node(tag, b"", children)
    if tag in _HOLDERS and len(content) > 3:
        unused = content[:1] if tag == _HOLDERS[0] else b""
        children = _elements(content[len(unused) :], depth + 1)
        if children:
            return Node(tag, unused, children)
    return Node(tag, content)


def _head(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Return the tag of the element at *position*, and the start and end of its content."""
    if len(data) < position + 2:
        return None
    tag, length = data[position], data[position + 1]
    start = position + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[position + 2 : start])
    return (tag, start, start + length) if start + length <= len(data) else None
