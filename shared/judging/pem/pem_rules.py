"""The rules for PEM text. Bundles and keys have the same rules, but each with its own codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.judging.model import Finding, Rule

_MAX_BLOCKS: Final = 64  # four times the number of certificates that are accepted


class Flaw(StrEnum):
    """The faults that a PEM text can have, whatever its blocks contain."""

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


_SOURCES_AND_SUMMARIES: Final[Mapping[Flaw, tuple[str, str]]] = {
    Flaw.TOO_LARGE: ("product rule", "the {noun} has at most {max_kib} KiB"),
    Flaw.EMPTY: ("product rule", "the {noun} is not empty"),
    Flaw.UTF16: ("RFC 7468 section 2", "the {noun} is not written in UTF-16"),
    Flaw.BYTE_ORDER_MARK: ("RFC 7468 section 3", "the {noun} does not start with a byte order mark"),
    Flaw.NUL: ("RFC 7468 section 3", "the {noun} has no NUL bytes"),
    Flaw.NOT_PEM: ("RFC 7468 section 2", "the {noun} is PEM, not DER, PKCS #12 or another format"),
    Flaw.TOO_MANY: ("product rule", "the {noun} has at most {max_blocks} blocks"),
    Flaw.BOUNDARY: (
        "RFC 7468 section 3",
        "each BEGIN and END line of the {noun} is complete, not indented, with no other text",
    ),
    Flaw.TRUNCATED: (
        "RFC 7468 section 3",
        "each BEGIN line of the {noun} has its END line, and each END line its BEGIN line",
    ),
    Flaw.LABELS_DIFFER: (
        "RFC 7468 section 2",
        "the BEGIN and END lines of each block of the {noun} have the same label",
    ),
    Flaw.HEADERS: ("RFC 7468 section 2", "the blocks of the {noun} have no header lines"),
    Flaw.BASE64: ("RFC 7468 section 3, RFC 4648 section 3", "the blocks of the {noun} contain canonical base64"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PemRules:
    """The rules for the text of one kind of file: a bundle, a key, or a file of trusted roots."""

    noun: str  # what messages call the file
    max_bytes: int
    max_blocks: int
    by_flaw: Mapping[Flaw, Rule]

    @classmethod
    def of(cls, noun: str, *, max_bytes: int, max_blocks: int = _MAX_BLOCKS) -> "PemRules":
        """Return the rules for the text of the file that messages call *noun*; their codes begin with it."""
        by_flaw = {
            flaw: Rule(
                code=f"{noun}_{flaw}",
                source=source,
                summary=summary.format(noun=noun, max_kib=max_bytes // 1024, max_blocks=max_blocks),
            )
            for flaw, (source, summary) in _SOURCES_AND_SUMMARIES.items()
        }
        return cls(noun=noun, max_bytes=max_bytes, max_blocks=max_blocks, by_flaw=by_flaw)

    def place(self, what: str) -> str:
        """Return the location of *what*, a block or a line. Locations in the bundle do not name the bundle."""
        return what if self.noun == "bundle" else f"{self.noun}, {what}"

    def found(self, flaw: Flaw, predicate: str, what: str | None = None) -> Finding:
        """Return the finding that *what* has *flaw*.

        *what* is a block or a line; None stands for the whole file. *predicate* is the rest of the sentence after it.
        """
        if what is None:
            return self.by_flaw[flaw].found(f"the {self.noun} {predicate}", where=self.noun)
        return self.by_flaw[flaw].found(f"{what} of the {self.noun} {predicate}", where=self.place(what))
