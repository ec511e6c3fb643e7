"""The strict PEM reader accepts a text that all readers read alike, and reports anything else with its line."""

import base64
import ssl
import textwrap
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from shared.judging.pem.blocks import scan
from shared.judging.pem.pem_rules import PemRules
from tests.builders.judging import minting

_PEM_RULES: Final = PemRules.of("bundle", max_bytes=4096)
_CONTENT: Final = bytes(range(100, 200))
_LINES: Final = textwrap.wrap(base64.b64encode(_CONTENT).decode(), 64)


def block(*lines: str, label: str = "CERTIFICATE", end: str = "\n") -> bytes:
    return end.join([f"-----BEGIN {label}-----", *(lines or _LINES), f"-----END {label}-----", ""]).encode()


GOOD: Final = block()


def contents(text: bytes) -> list[bytes | None]:
    """Return the contents of the blocks of *text*, which must have no findings."""
    scanned = scan(text, _PEM_RULES)
    assert scanned.findings == ()
    return [each.content for each in scanned.blocks]


def findings(text: bytes) -> list[tuple[str, str]]:
    return [(finding.code.removeprefix("bundle_"), finding.where) for finding in scan(text, _PEM_RULES).findings]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD, id="ordinary"),
        pytest.param(block(end="\r\n"), id="CRLF"),
        pytest.param(block(end="\r"), id="CR"),
        pytest.param(block(end="\r\r\n"), id="CR CR LF"),
        pytest.param(GOOD.rstrip(), id="no line end at the end"),
        pytest.param(GOOD.replace(b"\n", b"  \n"), id="blanks at the ends of lines"),
        pytest.param(GOOD.replace(b"\n", b"\t\n"), id="tabs at the ends of lines"),
        pytest.param(block(*[f"  {line}" for line in _LINES]), id="base64 indented"),
        pytest.param(block("".join(_LINES)), id="one line"),
        pytest.param(block(*textwrap.wrap("".join(_LINES), 76)), id="lines of 76"),
        pytest.param(block(*textwrap.wrap("".join(_LINES), 7)), id="lines of 7"),
        pytest.param(block(*[f"{line[:9]} {line[9:]}" for line in _LINES]), id="blanks inside lines"),
        pytest.param(block("", *_LINES), id="a blank line after BEGIN"),
        pytest.param(b"\n\n" + GOOD + b"\n\n", id="blank lines around the block"),
        pytest.param(b"Bag Attributes\n    friendlyName: shop\nKey Attributes: <No Attributes>\n" + GOOD, id="pkcs12"),
        pytest.param(b"subject=CN = shop\n\nissuer=CN = ca\n\n" + GOOD + b"---\nno peer certificate\n", id="s_client"),
        pytest.param("# für den Laden\n".encode() + GOOD + b"\xe4\xf6\xfc\n\x1a", id="text in any encoding"),
        pytest.param(b"-----\n----- BEGINNING -----\n" + GOOD, id="hyphens in text"),
    ],
)
def test_a_text_that_all_readers_read_alike_is_accepted(text: bytes) -> None:
    assert contents(text) == [_CONTENT]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(b"", ("empty", "bundle"), id="nothing"),
        pytest.param(b" \r\n\t\n", ("empty", "bundle"), id="white space"),
        pytest.param(GOOD + b" " * 4096, ("too_large", "bundle"), id="too large"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, ("byte_order_mark", "bundle"), id="byte order mark"),
        pytest.param(GOOD + b"\xef\xbb\xbf" + GOOD, ("broken_boundary", "line 6"), id="byte order mark in the middle"),
        pytest.param(GOOD.decode().encode("utf-16"), ("utf16", "bundle"), id="UTF-16"),
        pytest.param(GOOD.decode().encode("utf-16-be"), ("utf16", "bundle"), id="UTF-16 without a mark"),
        pytest.param(GOOD + b"\0" + GOOD, ("nul_byte", "line 6"), id="NUL"),
        pytest.param(b"hello\n", ("not_pem", "bundle"), id="only text"),
        pytest.param(GOOD[:80], ("truncated_block", "block 1 (line 1)"), id="no END"),
        pytest.param(GOOD + GOOD[:80], ("truncated_block", "block 2 (line 6)"), id="no END of the last"),
        pytest.param(GOOD[:80] + b"\n" + GOOD, ("truncated_block", "block 1 (line 1)"), id="no END of the first"),
        pytest.param(GOOD + GOOD[28:], ("truncated_block", "line 9"), id="no BEGIN"),
        pytest.param(
            GOOD.replace(b"END CERTIFICATE", b"END X509 CRL"), ("labels_differ", "block 1 (line 1)"), id="labels"
        ),
        pytest.param(textwrap.indent(GOOD.decode(), "  ").encode(), ("broken_boundary", "line 1"), id="indented"),
        pytest.param(GOOD.rstrip() + GOOD, ("broken_boundary", "line 5"), id="no line end between blocks"),
        pytest.param(GOOD.replace(b"\n", b" "), ("broken_boundary", "line 1"), id="blanks for line ends"),
        pytest.param(GOOD.replace(b"\n", b"\\n"), ("broken_boundary", "line 1"), id="line ends spelled out"),
        pytest.param(b'"' + GOOD.rstrip() + b'"', ("broken_boundary", "line 1"), id="quoted"),
        pytest.param(b"cert: " + GOOD, ("broken_boundary", "line 1"), id="text before BEGIN"),
        pytest.param(GOOD.rstrip() + b" # leaf\n", ("broken_boundary", "line 5"), id="text after END"),
        pytest.param(GOOD.replace(b"-----", b"----"), ("broken_boundary", "line 1"), id="four hyphens"),
        pytest.param(GOOD.replace(b"-----", b"------"), ("broken_boundary", "line 1"), id="six hyphens"),
        pytest.param(
            GOOD.decode().replace("-----", "\u2014\u2014-").encode(), ("broken_boundary", "line 1"), id="dashes"
        ),
        pytest.param(GOOD.replace(b"-----", b"\x97\x97-"), ("broken_boundary", "line 1"), id="dashes of Windows-1252"),
        pytest.param(block("Comment: mine", "", *_LINES), ("block_headers", "block 1 (line 1)"), id="headers"),
        pytest.param(block("Comment: mine", *_LINES), ("block_headers", "block 1 (line 1)"), id="headers alone"),
        pytest.param(block(_LINES[0], "", *_LINES[1:]), ("bad_base64", "block 1 (line 1)"), id="a blank line inside"),
        pytest.param(block("", "", *_LINES), ("bad_base64", "block 1 (line 1)"), id="two blank lines"),
        pytest.param(block(*_LINES, ""), ("bad_base64", "block 1 (line 1)"), id="a blank line before END"),
        pytest.param(block(""), ("bad_base64", "block 1 (line 1)"), id="nothing inside"),
        pytest.param(block("".join(_LINES)[1:]), ("bad_base64", "block 1 (line 1)"), id="a character missing"),
        pytest.param(block(*_LINES, "===="), ("bad_base64", "block 1 (line 1)"), id="padding again"),
        pytest.param(block("=" + "".join(_LINES)), ("bad_base64", "block 1 (line 1)"), id="padding first"),
        pytest.param(block("".join(_LINES).rstrip("=")), ("bad_base64", "block 1 (line 1)"), id="no padding"),
        pytest.param(block("# mine", *_LINES), ("bad_base64", "block 1 (line 1)"), id="a comment inside the block"),
        pytest.param(block("\u00a0" + _LINES[0], *_LINES[1:]), ("bad_base64", "block 1 (line 1)"), id="no-break space"),
        pytest.param(block("__--", *_LINES), ("bad_base64", "block 1 (line 1)"), id="the alphabet of URLs"),
        pytest.param(block("".join(_LINES)[:-3] + "x=="), ("bad_base64", "block 1 (line 1)"), id="bits left over"),
        pytest.param(block(_LINES[0] + " " * 300, *_LINES[1:]), ("bad_base64", "block 1 (line 1)"), id="300 blanks"),
        pytest.param(b"-----BEGIN A-----\n-----END A-----\n" * 65, ("bad_base64", "block 1 (line 1)"), id="65 blocks"),
    ],
)
def test_a_text_that_readers_read_differently_is_refused_with_its_location(text: bytes, found: tuple[str, str]) -> None:
    assert found in findings(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param(b" " + GOOD + GOOD, "line 1", id="BEGIN indented"),
        pytest.param(textwrap.indent(GOOD.decode(), "  ").encode() + GOOD, "line 1", id="a block indented"),
        pytest.param(GOOD.replace(b"-----\n", b"-----", 1) + GOOD, "line 1", id="no line end after BEGIN"),
        pytest.param(GOOD.replace(b"\n-----END", b"-----END") + GOOD, "line 4", id="no line end before END"),
        pytest.param(GOOD.replace(b"-----\n", b"-----x\n", 1) + GOOD, "line 1", id="text after BEGIN"),
        pytest.param(GOOD.rstrip() + GOOD, "line 5", id="no line end between blocks"),
        pytest.param(GOOD.replace(b"-----BEGIN", b"----BEGIN") + GOOD, "line 1", id="a hyphen missing"),
        pytest.param(GOOD.replace(b"\n", b" ") + b"\n" + GOOD, "line 1", id="blanks for line ends"),
        pytest.param(
            GOOD.replace(b"CERTIFICATE-----\n", b"RSA PRIVATE KEY -----\n", 1) + GOOD, "line 1", id="of a key"
        ),
    ],
)
def test_one_damaged_boundary_is_one_finding(text: bytes, where: str) -> None:
    assert findings(text) == [("broken_boundary", where)]


def test_blocks_after_a_broken_one_keep_their_numbers() -> None:
    scanned = scan(GOOD[:80] + b"\n" + GOOD, _PEM_RULES)

    assert [(str(each), each.content) for each in scanned.blocks] == [
        ("block 1 (line 1)", None),
        ("block 2 (line 3)", _CONTENT),
    ]


def test_the_line_of_an_invalid_character_is_counted_from_the_top_of_the_file() -> None:
    scanned = scan(b"comment\n" + block("", *_LINES, "*"), _PEM_RULES)

    assert "line 7" in scanned.findings[0].message


def test_locations_in_the_key_name_the_key() -> None:
    found = scan(GOOD[:80], PemRules.of("key", max_bytes=4096)).findings[0]

    assert (found.code, found.where) == ("key_truncated_block", "key, block 1 (line 1)")
    assert found.message.startswith("block 1 (line 1) of the key")


def test_a_traditional_encrypted_key_is_recognised_by_its_headers() -> None:
    headers = ("Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,00", "")
    scanned = scan(block(*headers, *_LINES, label="RSA PRIVATE KEY"), _PEM_RULES)

    assert [(each.content, each.is_encrypted) for each in scanned.blocks] == [(None, True)]


def test_the_number_of_findings_is_limited() -> None:
    assert len(findings(b"-----BEGIN A-----\n" * 200)) == 16


def test_a_repr_shows_no_content() -> None:
    scanned = scan(block(label="PRIVATE KEY"), _PEM_RULES)

    assert _LINES[0] not in repr(scanned)
    assert repr(_CONTENT) not in repr(scanned)


_TEXTS: Final = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="-\0\ufeff"), max_size=40).map(str.encode), max_size=3
)
_BLOCKS: Final = st.tuples(st.binary(min_size=1, max_size=200), st.integers(1, 100), _TEXTS)
_ENDS: Final = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(
    blocks=st.lists(
        st.tuples(st.binary(min_size=1, max_size=200), st.integers(1, 100), _TEXTS), min_size=1, max_size=5
    ),
    end=_ENDS,
    trailing=st.sampled_from([b"", b" ", b"\t "]),
)
def test_any_blocks_with_any_text_around_them_are_read(
    blocks: list[tuple[bytes, int, list[bytes]]], end: bytes, trailing: bytes
) -> None:
    lines = []
    for content, width, texts in blocks:
        body = textwrap.wrap(base64.b64encode(content).decode(), width)
        lines += [*texts, *block(*body).rstrip().split(b"\n")]

    assert contents((trailing + end).join(lines)) == [content for content, _, _ in blocks]


@given(text=st.binary(max_size=300) | st.builds(bytes.__add__, st.just(GOOD), st.binary(max_size=100)))
def test_random_bytes_give_blocks_or_findings(text: bytes) -> None:
    scanned = scan(text, _PEM_RULES)

    assert scanned.blocks or scanned.findings


_TWO: Final = (minting.leaf() + minting.authority()).encode()
_SLIPS: Final = st.lists(
    st.tuples(st.integers(0, len(_TWO)), st.integers(0, 3), st.text("- \t\n:=+AB*", max_size=3).map(str.encode)),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("label", ["{}", "PRIVATE KEY {}", "{} PRIVATE KEY", "CERTIFICATE-{}"])
def test_a_key_in_the_place_of_a_label_is_not_shown(label: str) -> None:
    secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49"
    odd = label.format(secret)
    texts = (block(label=odd), GOOD + f"-----END {odd}-----\n".encode(), f"-----BEGIN {odd}-----\n".encode() + GOOD)

    for text in texts:
        assert scan(text, _PEM_RULES).findings
        assert secret not in repr(scan(text, _PEM_RULES))


@given(slips=_SLIPS)
def test_an_accepted_text_is_read_alike_by_openssl_and_cryptography(slips: list[tuple[int, int, bytes]]) -> None:
    text = _TWO
    for at, cut, put in slips:
        text = text[:at] + put + text[at + cut :]
    scanned = scan(text, _PEM_RULES)
    accepted = [each.content for each in scanned.blocks if each.label == "CERTIFICATE"]

    if scanned.findings == () and len(accepted) == len(scanned.blocks):
        assert read_by_cryptography(text) in (accepted, None)
        assert read_by_openssl(text) in (len(accepted), None)


def read_by_cryptography(text: bytes) -> list[bytes] | None:
    """Return the certificates in *text*; None if one of them is damaged though its PEM block is intact."""
    try:
        return [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(text)]
    except ValueError as error:
        return [] if "PEM" in str(error) else None


def read_by_openssl(text: bytes) -> int | None:
    """Return how many certificates OpenSSL finds in *text*; None if one is damaged though its PEM block is intact."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text.decode("ascii"))
    except ssl.SSLError as error:
        return 0 if error.library == "PEM" and "ASN1" not in str(error) else None
    return context.cert_store_stats()["x509"]
