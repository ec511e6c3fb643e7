"""Looking for private keys where none may be: in every form in which one could have been written down."""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

_CHUNK: Final = 16 * 1024 * 1024
_LONGEST: Final = 16 * 1024  # of a needle; chunks overlap by this much
_LINE: Final = 48  # bytes in a full line of PEM (RFC 7468 section 2)
_BLANK: Final = re.compile(rb"\x00{4096,}")


def needles_of(pkcs8: bytes) -> dict[str, bytes]:
    """Return the forms of a private key, RSA, EC or Ed25519, by name.

    They are its DER; each of its secret numbers raw, in hex, decimal and base64; and the first line of PEM that holds
    a part of such a number, as it is and in base64 once more.
    """
    found = {"PKCS #8 DER": pkcs8}
    numbers = _secrets_of(pkcs8)
    for name, raw in numbers.items():
        found |= {f"{name}: {form}": needle for form, needle in _forms_of(raw).items()}
    for form, der in _encodings_of(pkcs8).items():
        lines = [der[start : start + _LINE] for start in range(0, len(der), _LINE)]
        first = next(line for line in lines if any(_shared(line, raw) for raw in numbers.values()))
        found[f"{form} PEM: a line"] = text = base64.b64encode(first)
        found |= {f"{form} PEM: a line in {where}": each for where, each in _in_base64(text).items()}
        found[f"{form} PEM without line breaks"] = base64.b64encode(der)
    return found


def _secrets_of(pkcs8: bytes) -> dict[str, bytes]:
    """Return the secret numbers of a key, by name: each of them is enough to have the key."""
    key = load_der_private_key(pkcs8, None)
    match key:
        case ec.EllipticCurvePrivateKey():
            number = key.private_numbers().private_value
            return {"private value": number.to_bytes((key.key_size + 7) // 8)}
        case rsa.RSAPrivateKey():
            own = key.private_numbers()
            numbers = {"d": own.d, "p": own.p, "q": own.q, "dP": own.dmp1, "dQ": own.dmq1, "qInv": own.iqmp}
            return {name: number.to_bytes((number.bit_length() + 7) // 8) for name, number in numbers.items()}
        case ed25519.Ed25519PrivateKey():
            return {"seed": key.private_bytes_raw()}
        case _:
            raise AssertionError(f"a key of an unknown kind: {type(key).__name__}")


def _encodings_of(pkcs8: bytes) -> dict[str, bytes]:
    key = load_der_private_key(pkcs8, None)
    if isinstance(key, ed25519.Ed25519PrivateKey):  # has no form but this (RFC 8410)
        return {"PKCS #8": pkcs8}
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    traditional = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return {"PKCS #8": pkcs8, "traditional": traditional}


def _forms_of(raw: bytes) -> dict[str, bytes]:
    return {
        "raw": raw,
        "hex": raw.hex().encode(),
        "upper-case hex": raw.hex().upper().encode(),
        "decimal": str(int.from_bytes(raw)).encode(),
        **_in_base64(raw),
    }


def _in_base64(raw: bytes) -> dict[str, bytes]:
    """Return *raw* as it looks inside a longer base64 text, in either alphabet.

    There it has one of three alignments, and its first and last characters mix with its neighbours'.
    """
    found = {}
    for shift in range(3):
        padded = b"\0" * shift + raw
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            found[f"{name} at alignment {shift}"] = encode(padded)[4 if shift else 0 : -4]
    return found


def _shared(line: bytes, raw: bytes) -> bool:
    """Return whether *line* holds eight bytes of *raw*, which no line of other numbers does."""
    return any(raw[start : start + 8] in line for start in range(len(raw) - 7))


def places(folders: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Give every file below *folders*, with the name of its folder."""
    for name, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield name, path


def search(path: Path, needles: Mapping[str, bytes]) -> list[str]:
    """Return the names of the *needles* that are somewhere in the file at *path*, which may go meanwhile."""
    found: set[str] = set()
    try:
        with path.open("rb") as file:
            rest = b""
            while chunk := file.read(_CHUNK):
                hay = rest + _BLANK.sub(b"\0", chunk)  # most of a write-ahead log is empty
                found |= {name for name, needle in needles.items() if needle in hay}
                rest = hay[-_LONGEST:]
    except FileNotFoundError:
        return []
    return sorted(found)


def environments() -> Iterator[tuple[str, bytes]]:
    """Give environment and command line of every process that can be read, by its id."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            yield path.name, (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
        except OSError:
            continue  # ended meanwhile, or not ours to read
