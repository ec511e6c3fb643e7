"""Read the private key: exactly one, in a widely readable format, of an accepted type and size, and consistent.

The type and size are read from the encoding first. Only then does cryptography build the key; it refuses a public half
that does not belong to the private half. For RSA, cryptography would test the primes with 64 Miller-Rabin rounds (35 ms
for 2048 bits, 250 ms for 4096). This module turns that off, checks that the numbers belong together, and tests the
primes with the Baillie-PSW test, for which no counterexample is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InternalError
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from shared.judging import der
from shared.judging.certificate import reading
from shared.judging.der import INTEGER, OCTET_STRING, SEQUENCE, NotDerError
from shared.judging.key.accepted_keys import PRIVATE_KEY
from shared.judging.key.kinds import EXPLICIT, KeyKind, curve_of, kind_of_pkcs1, kind_of_pkcs8, kind_of_sec1
from shared.judging.model import Finding, Rule
from shared.judging.pem.blocks import Block, scan
from shared.judging.pem.pem_rules import PemRules
from shared.judging.pem.wrong_formats import recognise_der

MAX_BYTES: Final = 32 * 1024

PEM_RULES: Final = PemRules.of("key", max_bytes=MAX_BYTES)

ENCRYPTED: Final = Rule(
    code="key_encrypted",
    source="RFC 5958 section 3, RFC 1421",
    summary="the key is not encrypted with a passphrase",
)
IS_CERTIFICATE: Final = Rule(
    code="key_is_certificate",
    source="product rule",
    summary="the key is a private key, not a certificate",
)
IS_PUBLIC: Final = Rule(
    code="key_is_public",
    source="product rule",
    summary="the key is a private key, not a public one",
)
FOREIGN_FORM: Final = Rule(
    code="key_foreign_form",
    source="RFC 5958, RFC 8017, RFC 5915",
    summary="the key is in the format PKCS #8, PKCS #1 (RSA) or SEC 1 (ECDSA), not that of SSH or another program",
)
FOREIGN_BLOCK: Final = Rule(
    code="key_foreign_block",
    source="product rule",
    summary="the key's file contains only the key, and for ECDSA possibly its parameters",
)
SEVERAL: Final = Rule(
    code="key_several",
    source="product rule",
    summary="the key's file contains exactly one private key",
)
PARAMETERS: Final = Rule(
    code="key_parameters",
    source="RFC 5480 section 2.1.1",
    summary="an EC PARAMETERS block comes before an ECDSA key and names the key's own curve",
)
UNREADABLE: Final = Rule(
    code="key_unreadable",
    source="RFC 5958, RFC 8017, RFC 5915",
    summary="the key is one complete DER structure, of the format that its label names, with nothing after it",
)
INCONSISTENT: Final = Rule(
    code="key_inconsistent",
    source="RFC 8017 section 3.2, SEC 1 section 3.2.1",
    summary="the numbers of the key belong together, and its public half to its private half",
)
RULES: Final = (
    *PEM_RULES.by_flaw.values(),
    ENCRYPTED,
    IS_CERTIFICATE,
    IS_PUBLIC,
    FOREIGN_FORM,
    FOREIGN_BLOCK,
    SEVERAL,
    PARAMETERS,
    UNREADABLE,
    INCONSISTENT,
)

AcceptedKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_FORMS: Final = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"})
_SSH_LABELS: Final = frozenset({"OPENSSH PRIVATE KEY", "SSH2 ENCRYPTED PRIVATE KEY", "SSH2 PUBLIC KEY"})
_OTHER_TYPES: Final[Mapping[str, str]] = {"DSA PRIVATE KEY": "DSA", "DH PRIVATE KEY": "DH"}
_PRIME_ROUNDS: Final = 24  # GMP runs the Baillie-PSW test alone for up to 24 rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A private key that passed every check that needs no certificate."""

    private: AcceptedKey = field(repr=False)
    kind: KeyKind
    public_key: bytes = field(repr=False)  # SubjectPublicKeyInfo, DER

    def encoded(self) -> bytes:
        """Return the key, encoded again, as PKCS #8 DER."""
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKeyFile:
    """The content of the key's file and the findings about it; *key* is None unless exactly one key is acceptable."""

    key: Key | None
    findings: tuple[Finding, ...]


def read_key(text: bytes) -> PrivateKeyFile:
    """Return the private key in *text* (PEM), with every finding about the key and the rest of the text."""
    scanned = scan(text, PEM_RULES)
    findings = list(scanned.findings)
    keys = [block for block in scanned.blocks if block.label.endswith("PRIVATE KEY")]
    parameters = [block for block in scanned.blocks if block.label == "EC PARAMETERS"]
    others = [block for block in scanned.blocks if block.label and block not in keys and block not in parameters]
    findings += [_foreign(block, is_alone=not keys) for block in others]
    if len(keys) > 1:
        message = f"the key's file has {len(keys)} private keys; keep only the one that the certificate was made for"
        findings.append(SEVERAL.found(message, where="key"))
    if parameters and not keys and not findings:
        message = f"{_what(parameters[0])} has only parameters; the EC PRIVATE KEY block is missing"
        findings.append(UNREADABLE.found(message, where=_where(parameters[0])))
    if len(keys) != 1:
        return PrivateKeyFile(key=None, findings=tuple(findings))
    key = _read_block(keys[0], findings)
    if key is not None:
        findings += _wrong_parameters(parameters, keys[0], key.kind)
    return PrivateKeyFile(key=key, findings=tuple(findings))


def _read_block(block: Block, findings: list[Finding]) -> Key | None:
    what, where = _what(block), _where(block)
    if block.label in _SSH_LABELS:
        message = f"{what} is in SSH format; convert it with `ssh-keygen -p -m PKCS8 -f FILE`"
        findings.append(FOREIGN_FORM.found(message, where=where))
    elif block.label in _OTHER_TYPES:
        findings += PRIVATE_KEY.check(KeyKind(algorithm=_OTHER_TYPES[block.label]), what=what, where=where)
    elif block.is_encrypted or block.label == "ENCRYPTED PRIVATE KEY":
        message = f"{what} is encrypted with a passphrase; decrypt it with `openssl pkey -in FILE -out PLAIN`"
        findings.append(ENCRYPTED.found(message, where=where))
    elif block.label not in _FORMS:
        message = f"{what} is {block.label[:80]}; PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY is expected"
        findings.append(FOREIGN_FORM.found(message, where=where))
    elif block.content is not None:
        return _load(block, block.content, findings)
    return None


def _load(block: Block, content: bytes, findings: list[Finding]) -> Key | None:
    what, where = _what(block), _where(block)
    try:
        kind = _kind(block.label, content)
    except NotDerError as error:
        message = f"{what} does not contain what its label {block.label} says ({error}); export the key as PKCS #8"
        findings.append(UNREADABLE.found(message, where=where))
        return None
    if refused := PRIVATE_KEY.check(kind, what=what, where=where):
        findings += refused
        return None
    flaw: str | None = "numbers that do not belong together, or are damaged"
    private = None
    try:
        private = load_der_private_key(content, None, unsafe_skip_rsa_key_validation=True)
        flaw = _contradiction(private.private_numbers()) if isinstance(private, rsa.RSAPrivateKey) else None
    except (*reading.UNREADABLE, InternalError):  # the error's text is dropped: it might show parts of the key
        pass
    if flaw is not None:
        findings.append(INCONSISTENT.found(f"{what} has {flaw}; export the key again where it was made", where=where))
        return None
    assert isinstance(private, AcceptedKey)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(private=private, kind=kind, public_key=public)


def _kind(label: str, content: bytes) -> KeyKind:
    elements = der.whole(content).expect(SEQUENCE).elements()
    tags = [element.tag for element in elements]
    match label:
        case "RSA PRIVATE KEY" if tags[:2] == [INTEGER, INTEGER] and len(tags) == 9:  # noqa: PLR2004 - two primes
            return kind_of_pkcs1(elements)
        case "EC PRIVATE KEY" if tags[:2] == [INTEGER, OCTET_STRING]:
            return kind_of_sec1(elements)
        case "PRIVATE KEY" if tags[:3] == [INTEGER, SEQUENCE, OCTET_STRING]:
            if bytes(elements[0].contents) != b"\x00":
                raise NotDerError("it is version 2 of PKCS #8, RFC 5958, which OpenSSL does not read")
            return kind_of_pkcs8(elements)
    raise NotDerError(f"it is {_name_of(content)}")


def _name_of(content: bytes) -> str:
    what = (recognise_der(content) or "another structure").partition(" in DER")[0].partition(", not PEM")[0]
    return "a private key in another format" if what == "a private key" else what


def _contradiction(numbers: rsa.RSAPrivateNumbers) -> str | None:
    """Return the first inconsistency among the numbers of an RSA key (RFC 8017 section 3.2), None if there is none."""
    from gmpy2 import is_prime  # type: ignore[import-untyped] # noqa: PLC0415 - with badkeys only

    p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
    if p * q != public.n or min(p, q) <= 1:
        return "a modulus that is not the product of its primes"
    if any((d * public.e - 1) % (prime - 1) for prime in (p, q)):
        return "a private exponent that does not belong to its public exponent"
    if numbers.dmp1 != d % (p - 1) or numbers.dmq1 != d % (q - 1) or numbers.iqmp * q % p != 1:
        return "numbers for the Chinese remainder theorem that do not belong to its primes"
    if not all(is_prime(prime, _PRIME_ROUNDS) for prime in (p, q)):
        return "primes that are not prime"
    return None


def _wrong_parameters(parameters: list[Block], key: Block, kind: KeyKind) -> list[Finding]:
    """Return the findings about the EC PARAMETERS blocks around *key*."""
    found = []
    for block in parameters:
        flaw = None if block.content is None else _parameters_flaw(block.content, kind)
        if flaw is None and (block.number > key.number or len(parameters) > 1):
            flaw = "is superfluous: only one EC PARAMETERS block is allowed, before the key; remove the others"
        if flaw is not None:
            found.append(PARAMETERS.found(f"{_what(block)} {flaw}", where=_where(block)))
    return found


def _parameters_flaw(content: bytes, kind: KeyKind) -> str | None:
    try:
        curve = curve_of(der.whole(content))
    except NotDerError as error:
        return f"contains no EC parameters ({error}); remove the block"
    if curve == EXPLICIT:
        return "spells out the parameters of a curve, which RFC 5480 forbids; remove the block"
    if curve != kind.curve:
        return f"names {curve}, but the key is {kind}; remove the block if the key is right"
    return None


def _foreign(block: Block, *, is_alone: bool) -> Finding:
    what, where = _what(block), _where(block)
    if block.label.endswith("CERTIFICATE"):
        if is_alone:
            message = (
                f"{what} is a certificate; provide the private key that it was made for (are the two files swapped?)"
            )
            return IS_CERTIFICATE.found(message, where=where)
        predicate = "is a certificate; certificates belong in the bundle"
    elif block.label.endswith("PUBLIC KEY"):
        if is_alone:
            return IS_PUBLIC.found(f"{what} is a public key; the private key is expected", where=where)
        predicate = "is a public key, which is not needed; remove it"
    else:
        predicate = f"is {block.label[:80]}; remove everything except the private key"
    return FOREIGN_BLOCK.found(f"{what} {predicate}", where=where)


def _what(block: Block) -> str:
    return f"{block} of the key"


def _where(block: Block) -> str:
    return PEM_RULES.place(str(block))
