"""Uploads made from bytes: the bytes choose a bundle and a key, and how their DER and their text are altered.

The same bytes make the same upload. So hypothesis and libFuzzer, which choose the bytes, reach deep code without
knowing PEM or DER.
"""

import copy
import functools
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.builders.judging import certificates, der
from tests.fuzz.trees import Node, parse

_LIMBO: Final = Path(__file__).parents[1] / "data" / "limbo" / "cases.json"
_BLOCK: Final = re.compile(r"-----BEGIN ([^-\n]+)-----\n(.*?)-----END", re.DOTALL)
_MOST_CHANGES: Final = 6
_LONGEST: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Block:
    """One block of PEM."""

    label: str
    content: bytes
    signer: ec.EllipticCurvePrivateKey | None = None  # the issuer's key, if this certificate can be signed again


class Dice:
    """Numbers drawn from bytes; zeros after the last byte."""

    def __init__(self, data: bytes) -> None:
        self._data: Final = data
        self._position = 0

    def below(self, limit: int) -> int:
        """Return a number from 0 to *limit* - 1."""
        size = max(1, ((limit - 1).bit_length() + 7) // 8)
        return int.from_bytes(self.some(size).ljust(size, b"\0")) % limit if limit > 1 else 0

    def some(self, size: int) -> bytes:
        """Return the next bytes, at most *size*."""
        drawn = self._data[self._position : self._position + size]
        self._position += size
        return drawn

    @property
    def is_empty(self) -> bool:
        """Whether only zeros are left."""
        return self._position >= len(self._data)


def upload_from(dice: Dice) -> tuple[bytes, bytes]:
    """Return a bundle and a key that belonged together before one of them, or both, was altered."""
    original_bundle, original_key = _pairs()[dice.below(len(_pairs()))]
    bundle, key = list(original_bundle), list(original_key)
    which = dice.below(3)
    if which != 1:
        bundle = _changed(dice, bundle)
    if which != 0:
        key = _changed(dice, key)
    return _text(dice, bundle), _text(dice, key)


@functools.cache
def _pairs() -> tuple[tuple[tuple[Block, ...], tuple[Block, ...]], ...]:
    """Return pairs of bundle and key: valid ones for every kind of key, and the cases of x509-limbo."""
    root = certificates.authority("Root")
    issuing = certificates.authority("Issuing", by=root, extensions=_CONSTRAINED)
    authorities = (_certificate(issuing, root), _certificate(root, root))
    own = []
    for key in (certificates.ec_key(1), certificates.rsa_key(), certificates.ed25519_key(1)):
        leaf = _certificate(certificates.issue(by=issuing, key=key), issuing)
        encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        own.append(((leaf, *authorities), (Block("PRIVATE KEY", encoded),)))
    cases = json.loads(_LIMBO.read_text())
    limbo = [(_blocks(case["bundle_pem"]), _blocks(case["key_pem"])) for case in cases]
    return (*own * _OWN_SHARE, *limbo)


def _certificate(issued: certificates.Issued, by: certificates.Issued) -> Block:
    assert isinstance(by.key, ec.EllipticCurvePrivateKey)
    return Block("CERTIFICATE", issued.der, by.key)


_CONSTRAINED: Final = {x509.NameConstraints: (certificates.constraints(["example.com"], ["example.net"]), True)}
_OWN_SHARE: Final = 30  # weight of our own pairs over x509-limbo's, because ours can be signed again


def _blocks(text: str) -> tuple[Block, ...]:
    return tuple(Block(label, b64decode(body)) for label, body in _BLOCK.findall(text))


def _changed(dice: Dice, blocks: list[Block]) -> list[Block]:
    """Return *blocks* with up to `_MOST_CHANGES` changes."""
    for _ in range(dice.below(_MOST_CHANGES + 1)):
        if not blocks or sum(len(block.content) for block in blocks) > _LONGEST:
            return blocks
        at = dice.below(len(blocks))
        match dice.below(8):
            case 0:
                del blocks[at]
            case 1:
                blocks.insert(dice.below(len(blocks) + 1), blocks[at])
            case 2:
                blocks[at] = replace(blocks[at], label=_LABELS[dice.below(len(_LABELS))])
            case 3 | 4:
                blocks[at] = replace(blocks[at], content=_altered(dice, blocks[at].content))
            case _:
                other = blocks[dice.below(len(blocks))].content
                blocks[at] = replace(blocks[at], content=_restructured(dice, blocks[at].content, other))
                if dice.below(4):
                    blocks[at] = _signed_again(blocks[at])
    return blocks


_LABELS: Final = (
    "CERTIFICATE",
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "EC PARAMETERS",
    "ENCRYPTED PRIVATE KEY",
    "TRUSTED CERTIFICATE",
    "PUBLIC KEY",
    "CERTIFICATE REQUEST",
    "PKCS7",
)


def _altered(dice: Dice, data: bytes) -> bytes:
    """Return *data* with bytes changed, without regard to their meaning."""
    at = dice.below(len(data) + 1)
    match dice.below(6):
        case 0:
            return data[:at] + bytes([dice.below(256)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[at + 1 + dice.below(16) :]
        case 3:
            return data[:at] + dice.some(dice.below(32)) + data[at:]
        case 4:
            return (data + data[at:] * dice.below(8))[:_LONGEST]
        case _:
            return data[:at] + bytes(value ^ 1 << dice.below(8) for value in data[at : at + 2]) + data[at + 2 :]


def _restructured(dice: Dice, data: bytes, other: bytes) -> bytes:
    """Return *data* with one element changed and all lengths around it corrected."""
    tree, theirs = parse(data), parse(other)
    if tree is None or theirs is None:
        return _altered(dice, data)
    nodes = list(tree.nodes())
    node = nodes[dice.below(len(nodes))]
    donors = list(theirs.nodes())
    donor = copy.deepcopy(donors[dice.below(len(donors))])
    _CHANGES[dice.below(len(_CHANGES))](dice, node, donor)
    return tree.encoded()[:_LONGEST]


def _signed_again(block: Block) -> Block:
    """Return the certificate *block* with a valid signature, so that the rules after the signature check run too."""
    tree = parse(block.content)
    if block.signer is None or tree is None or len(tree.children) != 3:
        return block
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    signature = block.signer.sign(tree.children[0].encoded(), algorithm)
    tree.children[2] = Node(0x03, b"\0" + signature)
    return replace(block, content=tree.encoded())


def _retag(dice: Dice, node: Node, _donor: Node) -> None:
    node.tag = dice.below(256)


def _fill(dice: Dice, node: Node, _donor: Node) -> None:
    node.children, node.before = [], dice.some(dice.below(40))


def _grow(dice: Dice, node: Node, _donor: Node) -> None:
    node.before = ((node.before or dice.some(4)) * (1 << dice.below(8)))[:_LONGEST]


def _empty(_dice: Dice, node: Node, _donor: Node) -> None:
    node.children, node.before = [], b""


def _lose(dice: Dice, node: Node, _donor: Node) -> None:
    if node.children:
        del node.children[dice.below(len(node.children))]


def _repeat(dice: Dice, node: Node, _donor: Node) -> None:
    if node.children:
        again = node.children[dice.below(len(node.children))]
        room = _LONGEST // len(again.encoded())
        node.children += [again] * min(1 << dice.below(6), room)


def _exchange(dice: Dice, node: Node, _donor: Node) -> None:
    if node.children:
        first, second = dice.below(len(node.children)), dice.below(len(node.children))
        node.children[first], node.children[second] = node.children[second], node.children[first]


def _graft(dice: Dice, node: Node, donor: Node) -> None:
    node.children.insert(dice.below(len(node.children) + 1), donor)


def _replace(_dice: Dice, node: Node, donor: Node) -> None:
    node.tag, node.before, node.children = donor.tag, donor.before, donor.children


def _wrap(dice: Dice, node: Node, _donor: Node) -> None:
    inner = replace(node, children=list(node.children))
    for _ in range(dice.below(60)):
        inner = Node(0x30, b"", [inner])
    node.tag, node.before, node.children = inner.tag, inner.before, inner.children


_CHANGES: Final[tuple[Callable[[Dice, Node, Node], None], ...]] = (
    _retag,
    _fill,
    _grow,
    _empty,
    _lose,
    _repeat,
    _exchange,
    _graft,
    _replace,
    _wrap,
)


def _text(dice: Dice, blocks: list[Block]) -> bytes:
    """Return *blocks* as PEM, in some cases with a few bytes changed."""
    text = "".join(der.pem(block.label, block.content) for block in blocks).encode()
    for _ in range(dice.below(8) - 4):  # mostly none, because a broken text is not read further
        at = dice.below(len(text) + 1)
        match dice.below(7):
            case 0:
                text = text[:at] + dice.some(dice.below(24)) + text[at:]
            case 1:
                text = text[:at] + text[at + 1 + dice.below(70) :]
            case 2:
                text = text.replace(b"\n", (b"\r\n", b"\r", b"\r\r\n", b" \n", b"\n\n")[dice.below(5)])
            case 3:
                text = text[:at]
            case 4:
                text = text[:at] + _ODD[dice.below(len(_ODD))] + text[at:]
            case 5:
                text += text[at:] * dice.below(8 if len(text) < _LONGEST else 1)
            case _:
                text = text[:at] + bytes([dice.below(256)]) + text[at + 1 :]
    return text


_ODD: Final = (
    b"\xef\xbb\xbf",
    b"\0",
    b"-----",
    b"=",
    b"====",
    b"\n",
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----END PRIVATE KEY-----",
    b"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n",
    "—".encode(),
    b"\xff\xfe",
    b" " * 300,
    b"\r" * 300,
    b"-" * 300,
)
