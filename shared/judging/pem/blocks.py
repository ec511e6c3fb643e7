"""The textual encoding of certificates and keys (PEM, RFC 7468), read strictly.

OpenSSL, Go and cryptography each forgive other things: one skips a block that the next one reads. Here a text is taken
only if all three see the same blocks in it, and what is refused is named with its block and line. Rules:

* Lines end with LF, CRLF or CR (RFC 7468 section 3); blanks and tabs at their ends count for nothing.
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
from dataclasses import dataclass, field
from typing import Final

from shared.judging.model import Finding
from shared.judging.pem.pem_rules import Armour, Flaw
from shared.judging.pem.wrong_formats import recognise

_MAX_FINDINGS: Final = 16  # who broke more has broken one thing
_MAX_BLANK_LINE: Final = 254  # OpenSSL reads longer lines in pieces, and fails if one of them is blank
_MAX_BOUNDARY: Final = 200  # a longer line is no boundary: there is no such label

# CR CR LF is CRLF, translated once too often. The look-behind keeps a row of CR from costing its square.
_LINE_END: Final = re.compile(rb"(?<!\r)\r*\n|\r")
# Labels are quoted to people. No label has so long a word; what stands there instead may be the key itself.
_WORD: Final = rb"[!-,.-~]{1,20}"
_LABEL: Final = rb"(" + _WORD + rb"(?:[ -]" + _WORD + rb")*)"
_BOUNDARY: Final = re.compile(rb"-----(BEGIN|END) " + _LABEL + rb"-----[ \t]*")  # RFC 7468 section 3
_SOMEWHERE: Final = re.compile(rb"-----(BEGIN|END) " + _LABEL + rb"-----")
# A boundary gone wrong: too few hyphens, dashes of a word processor (in UTF-8 and Windows-1252), text around it.
_DASH: Final = rb"(?:-|\xe2\x80[\x90-\x95]|\xe2\x88\x92|[\x96\x97])"
_BOUNDARY_LIKE: Final = re.compile(_DASH + _DASH + rb"[ \t]{0,8}(?:BEGIN|END)\b")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a file.

    *content* is None if it cannot be decoded, of which the scan's findings tell, or if it is encrypted. A BEGIN or END
    line that cannot be read stands for a block with the label ''.
    """

    label: str
    number: int  # in the file, from 1
    line: int  # of its BEGIN, from 1
    content: bytes | None = field(default=None, repr=False)
    is_encrypted: bool = False  # by RFC 1421 headers, as keys once were

    def __str__(self) -> str:
        return f"block {self.number} (line {self.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a text holds: its blocks in order, and what is wrong with it."""

    blocks: tuple[Block, ...]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Open:
    """A block whose END has not come yet."""

    label: str
    number: int
    line: int
    is_broken: bool = False  # its BEGIN line was reported
    is_whole: bool = True  # False: that line could not be read, or has a part of the content
    lines: list[bytes] = field(default_factory=list, repr=False)

    def closed(self, content: bytes | None = None, *, is_encrypted: bool = False) -> Block:
        return Block(label=self.label, number=self.number, line=self.line, content=content, is_encrypted=is_encrypted)


def scan(text: bytes, armour: Armour) -> Scan:
    """Return the blocks of *text* and all that is wrong with it; work grows with its length, no faster."""
    if unfit := _unfit(text, armour):
        return Scan(blocks=(), findings=(unfit,))
    scanner = _Scanner(armour)
    for number, line in enumerate(_LINE_END.split(text), start=1):
        scanner.feed(number, line)
        if scanner.is_full:
            break
    scanner.end()
    if not scanner.blocks and not scanner.findings:
        return Scan(blocks=(), findings=(armour.found(Flaw.NOT_PEM, recognise(text)),))
    # Who has too many is told so, not of each; but a private key is always told of.
    told = [block for block in scanner.blocks if not scanner.is_full or block.label.endswith("PRIVATE KEY")]
    return Scan(blocks=tuple(told), findings=tuple(scanner.findings))


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
        if b"BEGIN" not in line and b"END" not in line:
            if self._open is not None:
                self._open.lines.append(line)
        elif len(line) <= _MAX_BOUNDARY and (boundary := _BOUNDARY.fullmatch(line)):
            take = self._begin if boundary[1] == b"BEGIN" else self._end
            take(boundary[2].decode("ascii"), number)
        elif _BOUNDARY_LIKE.search(line):
            self._mend(line, number)
        elif self._open is not None:
            self._open.lines.append(line)

    def end(self) -> None:
        if self._open is not None and not self.is_full:
            self._cut_off("the text ends")

    def _begin(self, label: str, number: int, *, is_broken: bool = False, is_whole: bool = True) -> None:
        if self._open is not None:
            self._cut_off(f"the next block begins in line {number}")
        self._begun += 1
        if self._begun > self._armour.max_blocks:
            predicate = f"has more than {self._armour.max_blocks} blocks; give only what is asked for"
            self.findings.append(self._armour.found(Flaw.TOO_MANY, predicate))
        else:
            self._open = _Open(label=label, number=self._begun, line=number, is_broken=is_broken, is_whole=is_whole)

    def _end(self, label: str, number: int) -> None:
        opened, self._open = self._open, None
        if opened is None:
            predicate = f"ends a block ({label}) that has no BEGIN line; paste the whole file again"
            self._find(Flaw.TRUNCATED, predicate, f"line {number}")
            self._begun += 1
            lost = label if label.endswith("PRIVATE KEY") else ""  # to be told of in any case
            self.blocks.append(Block(label=lost, number=self._begun, line=number))
        elif not opened.is_whole:
            self.blocks.append(opened.closed())
        elif opened.label != label:
            predicate = f"begins as {opened.label} and ends as {label} in line {number}; both must be the same"
            self._find(Flaw.LABELS_DIFFER, predicate, str(opened.closed()))
            self.blocks.append(opened.closed())
        else:
            self.blocks.append(self._decoded(opened))

    def _mend(self, line: bytes, number: int) -> None:
        """Report a boundary that is broken, and go on as it was probably meant, so that it is reported once."""
        boundaries = [(match[1], match[2].decode("ascii")) for match in _SOMEWHERE.finditer(line)]
        stripped = line.strip(b" \t")
        if self._open is None or not self._open.is_broken or b"BEGIN" in line:
            self._find(Flaw.BOUNDARY, _how_broken(line), f"line {number}")
        match boundaries:
            case [(b"END", label)] if self._open is not None and stripped.startswith(b"-----END"):
                self._end(label, number)
            case [(b"BEGIN", label)] if stripped.endswith(b"-----"):
                self._begin(label, number, is_broken=True)
            case [(b"END", ended), (b"BEGIN", label)] if self._open is not None:
                self._end(ended, number)
                self._begin(label, number, is_broken=True)
            case _:
                self._skip(line, number)

    def _skip(self, line: bytes, number: int) -> None:
        """Take a line of which it cannot be told what it begins or ends, unless it is a private key."""
        if b"BEGIN" in line:
            self._begin("PRIVATE KEY" if b"PRIVATE KEY" in line else "", number, is_broken=True, is_whole=False)
        if b"END" in line and self._open is not None:
            self.blocks.append(self._open.closed())
            self._open = None

    def _cut_off(self, how: str) -> None:
        assert self._open is not None
        block = self._open.closed()
        if block.label and not self._open.is_broken:
            predicate = f"({block.label}) is cut off: {how} before its END line; paste the whole file again"
            self._find(Flaw.TRUNCATED, predicate, str(block))
        self.blocks.append(block)
        self._open = None

    def _decoded(self, opened: _Open) -> Block:
        lines = [line.strip(b" \t") if len(line) <= _MAX_BLANK_LINE else line for line in opened.lines]
        if lines and not lines[0]:
            lines[0] = b" "  # keeps the numbers of the others
        if any(b":" in line for line in lines[:2]):
            return self._with_headers(opened, lines)
        try:
            return opened.closed(_decode(lines, opened.line))
        except ValueError as error:
            self._find(Flaw.BASE64, str(error), str(opened.closed()))
            return opened.closed()

    def _with_headers(self, opened: _Open, lines: list[bytes]) -> Block:
        headers = lines[: lines.index(b"")] if b"" in lines else lines
        if any(line.startswith(b"Proc-Type:") and b"ENCRYPTED" in line for line in headers):
            return opened.closed(is_encrypted=True)
        predicate = "has header lines, which programs take differently; leave only base64 between BEGIN and END"
        self._find(Flaw.HEADERS, predicate, str(opened.closed()))
        return opened.closed()

    def _find(self, flaw: Flaw, predicate: str, what: str) -> None:
        self.findings.append(self._armour.found(flaw, predicate, what))


def _unfit(text: bytes, armour: Armour) -> Finding | None:
    """Return why *text* need not be looked at line by line, if so."""
    found = None
    if len(text) > armour.max_bytes:
        predicate = f"has {len(text):,} bytes; at most {armour.max_bytes:,} are taken"
        found = armour.found(Flaw.TOO_LARGE, predicate)
    elif not text.strip(b" \t\r\n"):
        found = armour.found(Flaw.EMPTY, "is empty; PEM text is expected")
    elif _is_utf16(text):
        found = armour.found(
            Flaw.UTF16, "is written in UTF-16; save it as ASCII, or as UTF-8 without a byte order mark"
        )
    elif text.startswith(_BYTE_ORDER_MARK):
        predicate = "starts with a byte order mark (EF BB BF), behind which some programs miss the first block"
        found = armour.found(Flaw.BYTE_ORDER_MARK, f"{predicate}; save it as ASCII, or as UTF-8 without one")
    elif b"\x00" in text and b"-----BEGIN" in text:
        line = len(_LINE_END.findall(text, 0, text.index(b"\x00"))) + 1
        found = armour.found(Flaw.NUL, "has a NUL byte, at which some programs stop reading; remove it", f"line {line}")
    elif b"\x00" in text:
        found = armour.found(Flaw.NOT_PEM, recognise(text))
    return found


def _is_utf16(text: bytes) -> bool:
    begin = "-----BEGIN"
    return text.startswith((b"\xff\xfe", b"\xfe\xff")) or any(
        begin.encode(utf16) in text for utf16 in ("utf-16-le", "utf-16-be")
    )


def _decode(lines: list[bytes], begin: int) -> bytes:
    """Return what the base64 of *lines* says; *begin* is the number of the line before them.

    Raises:
        ValueError: it is not canonical; the text is for people, a predicate of the block.
    """
    if b"" in lines:
        raise ValueError(f"has a blank line inside (line {begin + lines.index(b'') + 1}); remove it")
    if any(len(line) > _MAX_BLANK_LINE and (b" " in line or b"\t" in line) for line in lines):
        raise ValueError(f"has blanks in a line of more than {_MAX_BLANK_LINE} characters; remove them")
    joined = b"".join(lines).replace(b" ", b"").replace(b"\t", b"")
    if not joined:
        raise ValueError("is empty: there is nothing between BEGIN and END")
    try:
        content = binascii.a2b_base64(joined, strict_mode=True)
    except binascii.Error:
        content = b""
    if b64encode(content) == joined:
        return content
    for number, line in enumerate(lines, start=begin + 1):
        if re.search(rb"[^A-Za-z0-9+/= \t]", line):
            raise ValueError(f"has a character in line {number} that base64 does not have; paste the block again")
    raise ValueError("has damaged base64: characters are missing or wrong, at its end perhaps; paste the block again")


def _how_broken(line: bytes) -> str:
    """Return what is wrong with a boundary, a predicate of its line."""
    if b"\\n" in line or b"\\r" in line:
        return r"has \n written where a line should end; put real line breaks"
    if _BYTE_ORDER_MARK in line:
        return "has a byte order mark before the hyphens; remove it"
    if re.match(rb"[ \t]+-----(BEGIN|END) ", line):
        return "is indented, and OpenSSL and Go skip such a block; start its lines at the left margin"
    if line.count(b"-----BEGIN ") + line.count(b"-----END ") > 1:
        return "has more than one boundary; put line breaks where there were some"
    if re.search(rb"-----(BEGIN|END) [^-]{1,80}-----", line):
        return "has other text beside its BEGIN or END; let that stand alone"
    return "is no whole BEGIN or END line: five hyphens, BEGIN or END, a blank, the label, five hyphens"
