"""Looking for private keys where none may be: in every form in which one could have been written down."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

_CHUNK: Final = 16 * 1024 * 1024
_LONGEST: Final = 4096  # of a needle; chunks overlap by so much


def needles_of(pkcs8: bytes) -> dict[str, bytes]:
    """Return the forms of a P-256 key by name: DER, PEM, and its secret number raw, in hex, decimal and base64."""
    key = load_der_private_key(pkcs8, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value
    raw = number.to_bytes(32, "big")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    body = b"".join(pem.splitlines()[1:-1])
    found = {
        "PKCS #8 DER": pkcs8,
        "raw number": raw,
        "hex": raw.hex().encode(),
        "upper-case hex": raw.hex().upper().encode(),
        "decimal": str(number).encode(),
        "PEM's first line": pem.splitlines()[1],
        "PEM without line breaks": body,
    }
    # Inside a longer base64 text a value has one of three alignments; its first and last characters mix with others'.
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        found[f"base64 at alignment {shift}"] = text[4 if shift else 0 : -4]
        found[f"base64url at alignment {shift}"] = base64.urlsafe_b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
    return found


def places(folders: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Give every file below *folders*, with the name of its folder."""
    for name, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield name, path


def search(path: Path, needles: Mapping[str, bytes]) -> list[str]:
    """Return the names of the *needles* that are somewhere in the file at *path*."""
    found: set[str] = set()
    with path.open("rb") as file:
        rest = b""
        while chunk := file.read(_CHUNK):
            hay = rest + chunk
            found |= {name for name, needle in needles.items() if needle in hay}
            rest = hay[-_LONGEST:]
    return sorted(found)


def environments() -> Iterator[tuple[str, bytes]]:
    """Give the environment of every process that can be read, by its id."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield path.parent.name, path.read_bytes()
        except OSError:
            continue  # ended meanwhile, or not ours to read
