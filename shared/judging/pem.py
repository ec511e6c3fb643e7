"""The textual encoding of certificates and keys (PEM, RFC 7468), read strictly.

OpenSSL, Go and cryptography each forgive other things: one skips a block that the next one reads. Here a text is taken
only if all three see the same blocks in it, and what is refused is named with its block and line. Rules:

* Lines end with LF, CRLF or CR (RFC 7468 section 3); white space at their ends counts for nothing.
* A block is a BEGIN line, base64 in lines of any length, and an END line with the same label. Boundaries start at the
  left margin and stand alone on their lines. Headers (RFC 1421) and blank lines inside a block are refused; one blank
  line after BEGIN is not.
* base64 is canonical: its alphabet only, padded, no bits left over (RFC 4648 sections 3.2, 3.3 and 3.5).
* Around the blocks there may be any text (RFC 7468 section 2) that does not look like a boundary gone wrong.
* No byte order mark, no NUL, no UTF-16.
"""

import binascii
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.judging.disguises import recognise
from shared.judging.model import Finding, Rule

MAX_BLOCKS: Final = 64  # four times as many as certificates are taken; more is only more to read
_MAX_FINDINGS: Final = 16  # of the armour; who broke more lines than that has broken one thing

_LINE_END: Final = re.compile(rb"\r{0,2}\n|\r")  # CR CR LF is CRLF, translated once too often
_BOUNDARY: Final = re.compile(rb"-----(BEGIN|END) ([!-,.-~]+(?:[ -][!-,.-~]+)*)-----[ \t]*")  # RFC 7468 section 3
# A boundary gone wrong: other dashes, dashes that a word processor has made longer, something before or behind it.
_BOUNDARY_LIKE: Final = re.compile(rb"(?:-|\xe2\x80[\x90-\x95]|\xe2\x88\x92|\x96|\x97){2}[ \t]*(?:BEGIN|END)\b")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Flaw(StrEnum):
    """What can be wrong with the armour itself."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_TEXT = "not_text"
    UTF16 = "utf16"
    BYTE_ORDER_MARK = "byte_order_mark"
    NOT_PEM = "not_pem"
    TRUNCATED = "truncated_block"
    LABELS_DIFFER = "labels_differ"
    BOUNDARY = "broken_boundary"
    HEADERS = "block_headers"
    BASE64 = "bad_base64"
    TOO_MANY = "too_many_blocks"


_ASKS: Final[Mapping[Flaw, tuple[str, str]]] = {
    Flaw.EMPTY: ("product rule", "the {} is not empty"),
    Flaw.TOO_LARGE: ("product rule", "the {} has at most {} KiB"),
    Flaw.NOT_TEXT: ("RFC 7468 section 3", "the {} has no NUL bytes"),
    Flaw.UTF16: ("RFC 7468 section 2", "the {} is not written in UTF-16"),
    Flaw.BYTE_ORDER_MARK: ("RFC 7468 section 3", "the {} does not start with a byte order mark"),
    Flaw.NOT_PEM: ("RFC 7468 section 2", "the {} is PEM, not DER, PKCS #12 or another form"),
    Flaw.TRUNCATED: ("RFC 7468 section 3", "in the {}, each BEGIN line has its END line"),
    Flaw.LABELS_DIFFER: ("RFC 7468 section 2", "in the {}, BEGIN and END of a block have the same label"),
    Flaw.BOUNDARY: ("RFC 7468 section 3", "in the {}, BEGIN and END lines are whole and alone on their lines"),
    Flaw.HEADERS: ("RFC 7468 section 2", "in the {}, blocks have no headers"),
    Flaw.BASE64: ("RFC 7468 section 3, RFC 4648 section 3", "in the {}, blocks hold canonical base64"),
    Flaw.TOO_MANY: ("product rule", "the {} has at most {} blocks"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Armour:
    """A kind of file: how people call it, how large it may be, and the rules for its text."""

    noun: str
    max_bytes: int
    max_blocks: int
    rules: Mapping[Flaw, Rule]

    @classmethod
    def of(cls, noun: str, *, max_bytes: int, max_blocks: int = MAX_BLOCKS) -> "Armour":
        """Return the rules for the text of the file that people call *noun*; it is the prefix of their codes."""
        numbers = {Flaw.TOO_LARGE: max_bytes // 1024, Flaw.TOO_MANY: max_blocks}
        rules = {
            flaw: Rule(code=f"{noun}_{flaw}", source=source, summary=summary.format(noun, numbers.get(flaw)))
            for flaw, (source, summary) in _ASKS.items()
        }
        return cls(noun=noun, max_bytes=max_bytes, max_blocks=max_blocks, rules=rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a file; *content* is None if it cannot be decoded, which is among the scan's findings then."""

    label: str
    number: int  # in the file, from 1
    line: int  # of its BEGIN, from 1
    content: bytes | None = field(repr=False)
    is_encrypted: bool = False  # by RFC 1421 headers, as old keys are

    @property
    def where(self) -> str:
        """Where it stands, for people."""
        return f"block {self.number} (line {self.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a text holds: its blocks in order, and what is wrong with its armour."""

    blocks: tuple[Block, ...]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Open:
    """A block whose END has not come yet."""

    label: str
    number: int
    line: int
    lines: list[bytes] = field(default_factory=list, repr=False)

    @property
    def where(self) -> str:
        return f"block {self.number} (line {self.line})"


def scan(text: bytes, armour: Armour) -> Scan:
    """Return the blocks of *text* and all that is wrong with their armour; work grows with the length of *text*."""
    unfit = _unfit(text, armour)
    if unfit is not None:
        return Scan(blocks=(), findings=(unfit,))
    scanner = _Scanner(armour)
    for number, line in enumerate(_LINE_END.split(text), start=1):
        scanner.feed(number, line)
        if scanner.is_full:
            break
    scanner.end()
    if not scanner.blocks and not scanner.findings:
        return Scan(blocks=(), findings=(_no_blocks(text, armour),))
    return Scan(blocks=tuple(scanner.blocks), findings=tuple(scanner.findings))


def certificates_in(text: bytes) -> int:
    """Return how many BEGIN lines of certificates *text* has, without reading any further."""
    return text.count(b"-----BEGIN CERTIFICATE-----")


class _Scanner:
    """Takes a text line by line."""

    def __init__(self, armour: Armour) -> None:
        self.blocks: list[Block] = []
        self.findings: list[Finding] = []
        self._armour = armour
        self._open: _Open | None = None
        self._begun = 0

    @property
    def is_full(self) -> bool:
        return self._begun > self._armour.max_blocks or len(self.findings) >= _MAX_FINDINGS

    def feed(self, number: int, line: bytes) -> None:
        boundary = _BOUNDARY.fullmatch(line) if line.startswith(b"-----") else None
        if boundary is not None:
            label = boundary[2].decode("ascii")
            if boundary[1] == b"BEGIN":
                self._begin(label, number)
            else:
                self._end(label, number)
        elif b"-" in line or b"\xe2" in line or b"\x96" in line or b"\x97" in line:
            self._suspect(number, line)
        elif self._open is not None:
            self._open.lines.append(line)

    def end(self) -> None:
        if self._open is not None and not self.is_full:
            self._truncated("the text ends before its END line")
        self._open = None

    def _begin(self, label: str, number: int) -> None:
        if self._open is not None:
            self._truncated(f"line {number} begins the next block before its END line")
        self._begun += 1
        if self._begun > self._armour.max_blocks:
            self._open = None
            self._find(Flaw.TOO_MANY, f"there are more than {self._armour.max_blocks} blocks", self._armour.noun)
            return
        self._open = _Open(label=label, number=self._begun, line=number)

    def _end(self, label: str, number: int) -> None:
        opened, self._open = self._open, None
        if opened is None:
            text = f"END {label} without a BEGIN before it: a part is missing; paste the whole file again"
            self._find(Flaw.TRUNCATED, text, f"line {number}")
        elif opened.label != label:
            text = f"it begins as {opened.label} and ends as {label} in line {number}; both must be the same"
            self._find(Flaw.LABELS_DIFFER, text, opened.where)
            self.blocks.append(_undecoded(opened))
        else:
            self.blocks.append(self._decoded(opened))

    def _truncated(self, how: str) -> None:
        assert self._open is not None
        text = f"{self._open.label} is cut off: {how}; paste the whole file again"
        self._find(Flaw.TRUNCATED, text, self._open.where)
        self.blocks.append(_undecoded(self._open))

    def _suspect(self, number: int, line: bytes) -> None:
        """Take a line that may be a boundary gone wrong."""
        if not _BOUNDARY_LIKE.search(line):
            if self._open is not None:
                self._open.lines.append(line)
            return
        self._find(Flaw.BOUNDARY, _how_broken(line), f"line {number}")
        if self._open is not None and b"END" in line:
            self.blocks.append(_undecoded(self._open))
            self._open = None

    def _decoded(self, opened: _Open) -> Block:
        lines = [line.strip(b" \t") for line in opened.lines]
        if lines and not lines[0]:
            del lines[0]
        if lines and b":" in lines[0]:
            return self._with_headers(opened, lines)
        try:
            content = _decode(lines, opened.line)
        except ValueError as error:
            self._find(Flaw.BASE64, str(error), opened.where)
            return _undecoded(opened)
        return Block(label=opened.label, number=opened.number, line=opened.line, content=content)

    def _with_headers(self, opened: _Open, lines: list[bytes]) -> Block:
        headers = list(_until_blank(lines))
        if any(line.startswith((b"Proc-Type", b"DEK-Info")) for line in headers):
            return Block(label=opened.label, number=opened.number, line=opened.line, content=None, is_encrypted=True)
        text = "it has header lines (RFC 1421), which readers take differently; leave only the base64 there"
        self._find(Flaw.HEADERS, text, opened.where)
        return _undecoded(opened)

    def _find(self, flaw: Flaw, message: str, where: str) -> None:
        self.findings.append(self._armour.rules[flaw].found(message, where=where))


def _unfit(text: bytes, armour: Armour) -> Finding | None:
    """Return why *text* need not be looked at line by line."""
    found = {
        Flaw.TOO_LARGE: len(text) > armour.max_bytes
        and f"it has {len(text):,} bytes; at most {armour.max_bytes:,} are taken",
        Flaw.EMPTY: not text.strip(b" \t\r\n") and "it is empty",
        Flaw.UTF16: _is_utf16(text) and "it is written in UTF-16; save it as ASCII or UTF-8 without a byte order mark",
        Flaw.BYTE_ORDER_MARK: text.startswith(_BYTE_ORDER_MARK)
        and "it starts with a byte order mark (EF BB BF), behind which some programs miss the first block; "
        "save it as ASCII, or as UTF-8 without one",
    }
    for flaw, message in found.items():
        if message:
            return armour.rules[flaw].found(message, where=armour.noun)
    if b"\x00" not in text:
        return None
    if b"-----BEGIN" in text:
        line = len(_LINE_END.findall(text, 0, text.index(b"\x00"))) + 1
        return armour.rules[Flaw.NOT_TEXT].found(
            "there is a NUL byte, where some programs stop reading; remove it", where=f"line {line}"
        )
    return _no_blocks(text, armour)


def _is_utf16(text: bytes) -> bool:
    return text.startswith((b"\xff\xfe", b"\xfe\xff")) or any(
        "-----BEGIN".encode(encoding) in text for encoding in ("utf-16-le", "utf-16-be")
    )


def _no_blocks(text: bytes, armour: Armour) -> Finding:
    return armour.rules[Flaw.NOT_PEM].found(recognise(text), where=armour.noun)


def _undecoded(opened: _Open) -> Block:
    return Block(label=opened.label, number=opened.number, line=opened.line, content=None)


def _until_blank(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        if not line:
            return
        yield line


def _decode(lines: list[bytes], begin: int) -> bytes:
    """Return what the base64 of *lines* says, the line of whose BEGIN is *begin*.

    Raises:
        ValueError: it is not canonical; the text is for people.
    """
    if b"" in lines:
        raise ValueError("there is a blank line inside it; remove it")
    joined = b"".join(lines).replace(b" ", b"").replace(b"\t", b"")
    if not joined:
        raise ValueError("there is nothing between BEGIN and END")
    try:
        content = binascii.a2b_base64(joined, strict_mode=True)
    except binascii.Error:
        content = b""
    if b64encode(content) == joined:
        return content
    for offset, line in enumerate(lines, start=1):
        if re.search(rb"[^A-Za-z0-9+/= \t]", line):
            raise ValueError(f"around line {begin + offset} there is a character that base64 does not have")
    raise ValueError("its base64 is damaged: characters are missing, or the padding (=) is wrong; paste it again")


def _how_broken(line: bytes) -> str:
    if b"\\n" in line:
        return r"line breaks are written as \n instead of being there; put real ones"
    if _BYTE_ORDER_MARK in line:
        return "there is a byte order mark before the dashes; remove it"
    if re.match(rb"[ \t]+-----(BEGIN|END) ", line):
        return "the line is indented, and OpenSSL and Go skip such a block; start it at the left margin"
    if line.count(b"-----BEGIN ") + line.count(b"-----END ") > 1:
        return "BEGIN and END are on the same line; put a line break behind each line of the block"
    if re.search(rb"-----(BEGIN|END) [^-]+-----", line):
        return "there is other text on the line of the boundary; let it stand alone"
    return "this is not quite a BEGIN or END line: five hyphens, BEGIN or END, one space, the label, five hyphens"
