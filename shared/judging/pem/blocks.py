"""A strict reader for PEM, the textual encoding of certificates and keys (RFC 7468).

OpenSSL, Go and cryptography tolerate different faults: one skips a block that another reads. A text is accepted here
only if all three find the same blocks in it. Each refusal names the block and the line. Rules:

* Lines end with LF, CRLF or CR (RFC 7468 section 3). Blanks and tabs at the ends of lines are ignored.
* A block is a BEGIN line, base64 in lines of any length, and an END line with the same label. BEGIN and END lines (the
  *boundaries*) start at the left margin and hold no other text. Headers (RFC 1421) and blank lines inside a block are
  refused, except one blank line after BEGIN.
* base64 is canonical: only its alphabet, padded, no unused bits set (RFC 4648 sections 3.2, 3.3 and 3.5).
* Any text may surround the blocks (RFC 7468 section 2), unless it looks like a damaged boundary.
* No byte order mark, no NUL, no UTF-16.
"""

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final

from shared.judging.model import Finding
from shared.judging.pem.pem_rules import Flaw, PemRules
from shared.judging.pem.wrong_formats import recognise

_MAX_FINDINGS: Final = 16  # more findings than this have a single cause
_MAX_BLANK_LINE: Final = 254  # OpenSSL reads longer lines in pieces, and fails if a piece is blank
_MAX_BOUNDARY: Final = 200  # a longer line is not a boundary: no label is that long

# CR CR LF comes from translating line ends twice. The look-behind keeps the cost of a long run of CRs linear.
_LINE_END: Final = re.compile(rb"(?<!\r)\r*\n|\r")
# Messages quote labels. No real label has a word of more than 20 characters: a longer one may be the key itself.
_WORD: Final = rb"[!-,.-~]{1,20}"
_LABEL: Final = rb"(" + _WORD + rb"(?:[ -]" + _WORD + rb")*)"
_BOUNDARY: Final = re.compile(rb"-----(BEGIN|END) " + _LABEL + rb"-----[ \t]*")  # RFC 7468 section 3
_SOMEWHERE: Final = re.compile(rb"-----(BEGIN|END) " + _LABEL + rb"-----")
# A damaged boundary: too few hyphens, a word processor's dashes (in UTF-8 and Windows-1252), other text on the line.
_DASH: Final = rb"(?:-|\xe2\x80[\x90-\x95]|\xe2\x88\x92|[\x96\x97])"
_BOUNDARY_LIKE: Final = re.compile(_DASH + _DASH + rb"[ \t]{0,8}(?:BEGIN|END)\b")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a file.

    *content* is None if the block is encrypted, or if it cannot be decoded; the scan's findings then say why. A BEGIN
    or END line that cannot be read counts as a block with the label ''.
    """

    label: str
    number: int  # in the file, from 1
    line: int  # of its BEGIN, from 1
    content: bytes | None = field(default=None, repr=False)
    is_encrypted: bool = False  # with RFC 1421 headers, the traditional form

    def __str__(self) -> str:
        return f"block {self.number} (line {self.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The blocks of a text, in order, and the findings about it."""

    blocks: tuple[Block, ...]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Open:
    """A block whose END line has not been read yet."""

    label: str
    number: int
    line: int
    is_broken: bool = False  # a fault of its BEGIN line was reported
    is_whole: bool = True  # False: the BEGIN line could not be read, or contains part of the content
    lines: list[bytes] = field(default_factory=list, repr=False)

    def closed(self, content: bytes | None = None, *, is_encrypted: bool = False) -> Block:
        return Block(label=self.label, number=self.number, line=self.line, content=content, is_encrypted=is_encrypted)


def scan(text: bytes, rules: PemRules) -> Scan:
    """Return the blocks of *text* and every fault found in it, in time linear in its length."""
    if unfit := _unfit(text, rules):
        return Scan(blocks=(), findings=(unfit,))
    scanner = _Scanner(rules)
    for number, line in enumerate(_LINE_END.split(text), start=1):
        scanner.feed(number, line)
        if scanner.is_full:
            break
    scanner.end()
    if not scanner.blocks and not scanner.findings:
        return Scan(blocks=(), findings=(rules.found(Flaw.NOT_PEM, recognise(text)),))
    # With too many blocks, that is the finding and the single blocks are left out, except private keys.
    reported = [block for block in scanner.blocks if not scanner.is_full or block.label.endswith("PRIVATE KEY")]
    return Scan(blocks=tuple(reported), findings=tuple(scanner.findings))


class _Scanner:
    """Reads a text line by line."""

    def __init__(self, rules: PemRules) -> None:
        self.blocks: list[Block] = []
        self.findings: list[Finding] = []
        self._rules = rules
        self._open: _Open | None = None
        self._begun = 0

    @property
    def is_full(self) -> bool:
        return self._begun > self._rules.max_blocks or len(self.findings) >= _MAX_FINDINGS

    def feed(self, number: int, line: bytes) -> None:
        if b"BEGIN" not in line and b"END" not in line:
            if self._open is not None:
                self._open.lines.append(line)
        elif len(line) <= _MAX_BOUNDARY and (boundary := _BOUNDARY.fullmatch(line)):
            handle = self._begin if boundary[1] == b"BEGIN" else self._end
            handle(boundary[2].decode("ascii"), number)
        elif _BOUNDARY_LIKE.search(line):
            self._recover(line, number)
        elif self._open is not None:
            self._open.lines.append(line)

    def end(self) -> None:
        if self._open is not None and not self.is_full:
            self._cut_off("the text ends")

    def _begin(self, label: str, number: int, *, is_broken: bool = False, is_whole: bool = True) -> None:
        if self._open is not None:
            self._cut_off(f"the next block begins in line {number}")
        self._begun += 1
        if self._begun > self._rules.max_blocks:
            predicate = f"has more than {self._rules.max_blocks} blocks; provide only what is asked for"
            self.findings.append(self._rules.found(Flaw.TOO_MANY, predicate))
        else:
            self._open = _Open(label=label, number=self._begun, line=number, is_broken=is_broken, is_whole=is_whole)

    def _end(self, label: str, number: int) -> None:
        opened, self._open = self._open, None
        if opened is None:
            predicate = f"ends a block ({label}) that has no BEGIN line; paste the whole file again"
            self._find(Flaw.TRUNCATED, predicate, f"line {number}")
            self._begun += 1
            lost = label if label.endswith("PRIVATE KEY") else ""  # private keys are always reported
            self.blocks.append(Block(label=lost, number=self._begun, line=number))
        elif not opened.is_whole:
            self.blocks.append(opened.closed())
        elif opened.label != label:
            predicate = f"begins as {opened.label} and ends as {label} in line {number}; paste the whole file again"
            self._find(Flaw.LABELS_DIFFER, predicate, str(opened.closed()))
            self.blocks.append(opened.closed())
        else:
            self.blocks.append(self._decoded(opened))

    def _recover(self, line: bytes, number: int) -> None:
        """Report a damaged boundary and continue as it was probably meant, so that one fault is reported once."""
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
        """Handle a line that may begin or end a block of unknown label; a private key is still recognised."""
        if b"BEGIN" in line:
            self._begin("PRIVATE KEY" if b"PRIVATE KEY" in line else "", number, is_broken=True, is_whole=False)
        if b"END" in line and self._open is not None:
            self.blocks.append(self._open.closed())
            self._open = None

    def _cut_off(self, how: str) -> None:
        assert self._open is not None
        block = self._open.closed()
        if block.label and not self._open.is_broken:
            predicate = f"({block.label}) is truncated: {how} before its END line; paste the whole file again"
            self._find(Flaw.TRUNCATED, predicate, str(block))
        self.blocks.append(block)
        self._open = None

    def _decoded(self, opened: _Open) -> Block:
        lines = [line.strip(b" \t") if len(line) <= _MAX_BLANK_LINE else line for line in opened.lines]
        if lines and not lines[0]:
            lines[0] = b" "  # keeps the line numbers of the others
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
        predicate = "has header lines, which programs read differently; leave only base64 between BEGIN and END"
        self._find(Flaw.HEADERS, predicate, str(opened.closed()))
        return opened.closed()

    def _find(self, flaw: Flaw, predicate: str, what: str) -> None:
        self.findings.append(self._rules.found(flaw, predicate, what))


def _unfit(text: bytes, rules: PemRules) -> Finding | None:
    """Return the finding that makes reading *text* line by line pointless; None if there is none."""
    found = None
    if len(text) > rules.max_bytes:
        predicate = f"has {len(text):,} bytes; at most {rules.max_bytes:,} are accepted"
        found = rules.found(Flaw.TOO_LARGE, predicate)
    elif not text.strip(b" \t\r\n"):
        found = rules.found(Flaw.EMPTY, "is empty; PEM text is expected")
    elif _is_utf16(text):
        found = rules.found(Flaw.UTF16, "is written in UTF-16; save it as ASCII, or as UTF-8 without a byte order mark")
    elif text.startswith(_BYTE_ORDER_MARK):
        predicate = "starts with a byte order mark (EF BB BF), after which some programs miss the first block"
        found = rules.found(
            Flaw.BYTE_ORDER_MARK, f"{predicate}; save it as ASCII, or as UTF-8 without a byte order mark"
        )
    elif b"\x00" in text and b"-----BEGIN" in text:
        line = len(_LINE_END.findall(text, 0, text.index(b"\x00"))) + 1
        found = rules.found(Flaw.NUL, "has a NUL byte, at which some programs stop reading; remove it", f"line {line}")
    elif b"\x00" in text:
        found = rules.found(Flaw.NOT_PEM, recognise(text))
    return found


def _is_utf16(text: bytes) -> bool:
    begin = "-----BEGIN"
    return text.startswith((b"\xff\xfe", b"\xfe\xff")) or any(
        begin.encode(utf16) in text for utf16 in ("utf-16-le", "utf-16-be")
    )


def _decode(lines: list[bytes], begin: int) -> bytes:
    """Return the content that the base64 of *lines* encodes; *begin* is the number of the line before them.

    Raises:
        ValueError: the base64 is not canonical. The text is the predicate of a sentence about the block.
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
            raise ValueError(f"has a character in line {number} that is not base64; paste the block again")
    raise ValueError("has damaged base64: characters are missing or wrong, possibly at its end; paste the block again")


def _how_broken(line: bytes) -> str:
    """Return the predicate of a sentence that says what is wrong with the boundary *line*."""
    if b"\\n" in line or b"\\r" in line:
        return r"has the characters \n where a line should end; use real line breaks"
    if _BYTE_ORDER_MARK in line:
        return "has a byte order mark before the hyphens; remove it"
    if re.match(rb"[ \t]+-----(BEGIN|END) ", line):
        return "is indented, and OpenSSL and Go skip such a block; start its lines at the left margin"
    if line.count(b"-----BEGIN ") + line.count(b"-----END ") > 1:
        return "has more than one BEGIN or END; put each on a line of its own"
    if re.search(rb"-----(BEGIN|END) [^-]{1,80}-----", line):
        return "has other text next to its BEGIN or END; put that on a line of its own"
    return "is not a complete BEGIN or END line: five hyphens, BEGIN or END, a blank, the label, five hyphens"
