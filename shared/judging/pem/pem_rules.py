"""The rules for a text that holds PEM blocks; the same for a bundle and for a key, each with codes of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.judging.model import Finding, Rule

_MAX_BLOCKS: Final = 64  # four times as many as certificates are taken; more is only more to read


class Flaw(StrEnum):
    """What can be wrong with a text before anybody asks what its blocks hold."""

    TOO_LARGE = "too_large"
    EMPTY = "empty"
    UTF16 = "utf16"
    BYTE_ORDER_MARK = "byte_order_mark"
    NUL = "nul_byte"
    NOT_PEM = "not_pem"
    TOO_MANY = "too_many_blocks"
    BOUNDARY = "broken_boundary"
    TRUNCATED = "truncated_block"
    LABELS_DIFFER = "labels_differ"
    HEADERS = "block_headers"
    BASE64 = "bad_base64"


_ASKS: Final[Mapping[Flaw, tuple[str, str]]] = {
    Flaw.TOO_LARGE: ("product rule", "the {noun} has at most {max_kib} KiB"),
    Flaw.EMPTY: ("product rule", "the {noun} is not empty"),
    Flaw.UTF16: ("RFC 7468 section 2", "the {noun} is not written in UTF-16"),
    Flaw.BYTE_ORDER_MARK: ("RFC 7468 section 3", "the {noun} does not start with a byte order mark"),
    Flaw.NUL: ("RFC 7468 section 3", "the {noun} has no NUL bytes"),
    Flaw.NOT_PEM: ("RFC 7468 section 2", "the {noun} is PEM, not DER, PKCS #12 or another form"),
    Flaw.TOO_MANY: ("product rule", "the {noun} has at most {max_blocks} blocks"),
    Flaw.BOUNDARY: ("RFC 7468 section 3", "BEGIN and END lines of the {noun} are whole, unindented and alone"),
    Flaw.TRUNCATED: ("RFC 7468 section 3", "each BEGIN line of the {noun} has its END line, and the reverse"),
    Flaw.LABELS_DIFFER: ("RFC 7468 section 2", "BEGIN and END of a block of the {noun} have the same label"),
    Flaw.HEADERS: ("RFC 7468 section 2", "the blocks of the {noun} have no headers"),
    Flaw.BASE64: ("RFC 7468 section 3, RFC 4648 section 3", "the blocks of the {noun} hold canonical base64"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Armour:
    """A kind of file: how people call it, its limits, and the rules for its text."""

    noun: str
    max_bytes: int
    max_blocks: int
    rules: Mapping[Flaw, Rule]

    @classmethod
    def of(cls, noun: str, *, max_bytes: int, max_blocks: int = _MAX_BLOCKS) -> "Armour":
        """Return the rules for the text of what people call *noun*, which is also how their codes begin."""
        rules = {
            flaw: Rule(
                code=f"{noun}_{flaw}",
                source=source,
                summary=summary.format(noun=noun, max_kib=max_bytes // 1024, max_blocks=max_blocks),
            )
            for flaw, (source, summary) in _ASKS.items()
        }
        return cls(noun=noun, max_bytes=max_bytes, max_blocks=max_blocks, rules=rules)

    def place(self, what: str) -> str:
        """Return where *what*, a block or a line, is; the bundle's go without saying."""
        return what if self.noun == "bundle" else f"{self.noun}, {what}"

    def found(self, flaw: Flaw, predicate: str, what: str | None = None) -> Finding:
        """Return that *what*, a block or a line, or else the whole file, has *flaw*; *predicate* goes on from there."""
        if what is None:
            return self.rules[flaw].found(f"the {self.noun} {predicate}", where=self.noun)
        return self.rules[flaw].found(f"{what} of the {self.noun} {predicate}", where=self.place(what))
