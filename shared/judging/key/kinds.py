"""Find out the type and size of the key in a certificate or private key from its encoding, before using the key."""

from dataclasses import dataclass
from typing import Final

from shared.judging import der
from shared.judging.der import BIT_STRING, EXPLICIT_0, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, Element

RSA: Final = bytes.fromhex("2a864886f70d010101")
RSA_PSS: Final = bytes.fromhex("2a864886f70d01010a")
EC: Final = bytes.fromhex("2a8648ce3d0201")
ED25519: Final = bytes.fromhex("2b6570")
# The accepted algorithms, and those that messages refuse by name.
_ALGORITHMS: Final = {
    RSA: "RSA",
    RSA_PSS: "RSA-PSS",
    EC: "ECDSA",
    ED25519: "Ed25519",
    bytes.fromhex("2b6571"): "Ed448",
    bytes.fromhex("2b656e"): "X25519",
    bytes.fromhex("2b656f"): "X448",
    bytes.fromhex("2a8648ce380401"): "DSA",
    bytes.fromhex("2a864886f70d010301"): "DH",
    bytes.fromhex("2a8648ce3e0201"): "DH",
    bytes.fromhex("608648016503040311"): "ML-DSA-44",
    bytes.fromhex("608648016503040312"): "ML-DSA-65",
    bytes.fromhex("608648016503040313"): "ML-DSA-87",
}
_CURVES: Final = {
    bytes.fromhex("2a8648ce3d030107"): "P-256",
    bytes.fromhex("2b81040022"): "P-384",
    bytes.fromhex("2b81040023"): "P-521",
    bytes.fromhex("2b81040021"): "P-224",
    bytes.fromhex("2a8648ce3d030101"): "P-192",
    bytes.fromhex("2b8104000a"): "secp256k1",
    bytes.fromhex("2b2403030208010107"): "brainpoolP256r1",
    bytes.fromhex("2b240303020801010b"): "brainpoolP384r1",
    bytes.fromhex("2b240303020801010d"): "brainpoolP512r1",
    bytes.fromhex("2a811ccf5501822d"): "SM2",
}
_SCALAR_OCTETS: Final = {"P-256": 32, "P-384": 48, "P-521": 66}
_ED25519_OCTETS: Final = 32  # RFC 8410 section 7
_UNCOMPRESSED: Final = b"\x04"  # SEC 1 section 2.3.3; few clients read the other forms (RFC 8422 section 5.4.1)
EXPLICIT: Final = "explicit parameters"

MANY: Final = 1 << 64  # stands for this exponent and all larger ones


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyKind:
    """The type and size of a key; *bits* and *exponent* are for RSA, *curve* for ECDSA."""

    algorithm: str
    bits: int = 0
    exponent: int = 0  # MANY stands for that exponent and all larger ones
    curve: str = ""

    def __str__(self) -> str:
        if self.algorithm in {"RSA", "RSA-PSS"} and self.bits:
            return f"{self.algorithm} {self.bits}"
        return f"ECDSA {self.curve}" if self.curve else self.algorithm


def kind_in_certificate(certificate: bytes) -> KeyKind:
    """Return the kind of the public key in *certificate* (DER, RFC 5280 section 4.1).

    Raises:
        NotDerError: *certificate* has another structure.
    """
    contents, _, _ = _exactly(der.whole(certificate).expect(SEQUENCE).elements(), 3)
    to_be_signed = contents.expect(SEQUENCE).elements()
    if to_be_signed and to_be_signed[0].tag == EXPLICIT_0:  # version
        del to_be_signed[0]
    if len(to_be_signed) < 6:  # noqa: PLR2004 - serial, algorithm, issuer, validity, subject, public key
        raise der.NotDerError("the certificate has no public key")
    return kind_of_public_key(to_be_signed[5])


def kind_of_public_key(info: Element) -> KeyKind:
    """Return the kind of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).

    Raises:
        NotDerError: *info* has another structure.
    """
    algorithm, key = _exactly(info.expect(SEQUENCE).elements(), 2)
    identifier, parameters = _algorithm(algorithm)
    if identifier in {RSA, RSA_PSS}:
        octets = key.expect(BIT_STRING).contents[1:]
        return _rsa_kind(identifier, der.whole(octets).expect(SEQUENCE).elements())
    kind = _other_kind(identifier, parameters)
    if identifier == EC and bytes(key.expect(BIT_STRING).contents[1:2]) != _UNCOMPRESSED:
        return KeyKind(algorithm="ECDSA", curve=f"{kind.curve} with a compressed point")
    return kind


def kind_of_pkcs8(elements: list[Element]) -> KeyKind:
    """Return the kind of the private key in a PrivateKeyInfo (RFC 5208, RFC 5958) with these *elements*.

    Raises:
        NotDerError: the structure is another one.
    """
    if len(elements) < 3:  # noqa: PLR2004 - version, algorithm, key
        raise der.NotDerError("the structure is truncated")
    identifier, parameters = _algorithm(elements[1])
    inner = elements[2].expect(OCTET_STRING).contents
    if identifier in {RSA, RSA_PSS}:
        return _rsa_kind(identifier, der.whole(inner).expect(SEQUENCE).elements()[1:])
    kind = _other_kind(identifier, parameters)
    if kind.curve in _SCALAR_OCTETS:
        _expect_scalar(der.whole(inner).expect(SEQUENCE).elements(), kind.curve)
    elif identifier == ED25519:
        _expect_octets(der.whole(inner), _ED25519_OCTETS)
    return kind


def kind_of_pkcs1(elements: list[Element]) -> KeyKind:
    """Return the kind of an RSAPrivateKey (RFC 8017 appendix A.1.2) with these *elements*.

    Raises:
        NotDerError: the structure is another one.
    """
    return _rsa_kind(RSA, elements[1:])


def kind_of_sec1(elements: list[Element]) -> KeyKind:
    """Return the kind of an ECPrivateKey (RFC 5915) with these *elements*.

    Raises:
        NotDerError: the structure is another one, or does not name its curve.
    """
    for element in elements[2:]:
        if element.tag == EXPLICIT_0:
            curve = curve_of(_exactly(element.elements(), 1)[0])
            _expect_scalar(elements, curve)
            return KeyKind(algorithm="ECDSA", curve=curve)
    raise der.NotDerError("the key does not name its curve")


def curve_of(parameters: Element) -> str:
    """Return the name of the curve that *parameters* (ECParameters, RFC 5480 section 2.1.1) identify."""
    if parameters.tag != OBJECT_IDENTIFIER:
        return EXPLICIT
    identifier = bytes(parameters.contents)
    return _CURVES.get(identifier) or f"on the curve {der.dotted(identifier)}"


def _expect_scalar(elements: list[Element], curve: str) -> None:
    """Check that the number in an ECPrivateKey has the length that its curve prescribes (RFC 5915 section 3)."""
    if curve in _SCALAR_OCTETS:
        if len(elements) < 2:  # noqa: PLR2004 - version and number
            raise der.NotDerError("not an ECPrivateKey")
        _expect_octets(elements[1], _SCALAR_OCTETS[curve])


def _expect_octets(number: Element, count: int) -> None:
    given = len(number.expect(OCTET_STRING).contents)
    if given != count:
        raise der.NotDerError(f"its number has {given} octets; {count} are expected")


def _algorithm(element: Element) -> tuple[bytes, Element | None]:
    parts = element.expect(SEQUENCE).elements()
    if not parts or len(parts) > 2:  # noqa: PLR2004 - identifier and parameters
        raise der.NotDerError("not an AlgorithmIdentifier")
    return bytes(parts[0].expect(OBJECT_IDENTIFIER).contents), parts[1] if len(parts) > 1 else None


def _rsa_kind(identifier: bytes, numbers: list[Element]) -> KeyKind:
    if len(numbers) < 2:  # noqa: PLR2004 - modulus and exponent
        raise der.NotDerError("not an RSA key")
    modulus, exponent = numbers[:2]
    is_small = der.bit_length(exponent) < MANY.bit_length()
    return KeyKind(
        algorithm=_ALGORITHMS[identifier],
        bits=der.bit_length(modulus),
        exponent=int.from_bytes(exponent.contents, "big") if is_small else MANY,
    )


def _other_kind(identifier: bytes, parameters: Element | None) -> KeyKind:
    if identifier == EC:
        return KeyKind(algorithm="ECDSA", curve="on no named curve" if parameters is None else curve_of(parameters))
    name = _ALGORITHMS.get(identifier) or f"of a type with the object identifier {der.dotted(identifier)}"
    return KeyKind(algorithm=name)


def _exactly(elements: list[Element], count: int) -> list[Element]:
    if len(elements) != count:
        raise der.NotDerError(f"{len(elements)} elements; {count} were expected")
    return elements
