"""The private key: one, in a form that everybody reads, of a type and size that are taken, in itself consistent.

Its type and size are read from the encoding first. Only then is the key built, by cryptography, which refuses a public
half that is not the private one's. For RSA cryptography would prove the primes with 64 rounds of Miller and Rabin
(35 ms for 2048 bits, 250 ms for 4096); here the numbers are held against each other and the primes are tried with
Baillie, Pomerance, Selfridge and Wagstaff's test, for which no composite is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from shared.judging import der, reading
from shared.judging.der import INTEGER, OCTET_STRING, SEQUENCE, NotDerError
from shared.judging.kinds import EXPLICIT, KeyKind, curve_of, kind_of_pkcs1, kind_of_pkcs8, kind_of_sec1
from shared.judging.model import Finding, Rule
from shared.judging.pem import Armour, Block, scan
from shared.judging.taken import PRIVATE

MAX_BYTES: Final = 32 * 1024

ARMOUR: Final = Armour.of("key", max_bytes=MAX_BYTES)

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
    summary="the key is in the form PKCS #8, PKCS #1 (RSA) or SEC 1 (ECDSA), not one of SSH or another program",
)
FOREIGN_BLOCK: Final = Rule(
    code="key_foreign_block",
    source="product rule",
    summary="the file of the key has nothing but the key, and for ECDSA its parameters",
)
SEVERAL: Final = Rule(
    code="key_several",
    source="product rule",
    summary="there is one private key",
)
PARAMETERS: Final = Rule(
    code="key_parameters",
    source="RFC 5480 section 2.1.1",
    summary="an EC PARAMETERS block stands before an ECDSA key and names the key's own curve",
)
UNREADABLE: Final = Rule(
    code="key_unreadable",
    source="RFC 5958, RFC 8017, RFC 5915",
    summary="the key is a whole structure in DER, of the form that its label says, with nothing behind it",
)
INCONSISTENT: Final = Rule(
    code="key_inconsistent",
    source="RFC 8017 section 3.2, SEC 1 section 3.2.1",
    summary="the numbers of the key belong together, its public half to its private half",
)
RULES: Final = (
    *ARMOUR.rules.values(),
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

TakenKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_FORMS: Final = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"})
_SSH_LABELS: Final = frozenset({"OPENSSH PRIVATE KEY", "SSH2 ENCRYPTED PRIVATE KEY", "SSH2 PUBLIC KEY"})
_OTHER_TYPES: Final[Mapping[str, str]] = {"DSA PRIVATE KEY": "DSA", "DH PRIVATE KEY": "DH"}
_PRIME_ROUNDS: Final = 24  # in GMP those up to 24 are Baillie-PSW alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A private key that is taken, as far as it can be told without its certificate."""

    private: TakenKey = field(repr=False)
    kind: KeyKind
    public_key: bytes = field(repr=False)  # SubjectPublicKeyInfo, DER

    def encoded(self) -> bytes:
        """Return the key encoded anew, PKCS #8 DER."""
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """What the file of the key holds, and what is wrong with it; *key* is None then."""

    key: Key | None
    findings: tuple[Finding, ...]


def read_key(text: bytes) -> KeyFile:
    """Return the private key in *text*, PEM, or all that is wrong with it."""
    scanned = scan(text, ARMOUR)
    findings = list(scanned.findings)
    keys = [block for block in scanned.blocks if block.label.endswith("PRIVATE KEY")]
    parameters = [block for block in scanned.blocks if block.label == "EC PARAMETERS"]
    others = [block for block in scanned.blocks if block not in keys and block not in parameters]
    findings.extend(_foreign(block, is_alone=not keys) for block in others)
    if len(keys) > 1:
        message = f"there are {len(keys)} private keys; leave the one that the certificate was made for"
        findings.append(SEVERAL.found(message, where="key"))
    if parameters and not keys and not findings:
        message = "there are only EC PARAMETERS in it; the EC PRIVATE KEY block is missing"
        findings.append(UNREADABLE.found(message, where=_where(parameters[0])))
    if len(keys) != 1:
        return KeyFile(key=None, findings=tuple(findings))
    key = _read_block(keys[0], findings)
    if key is not None:
        findings.extend(_wrong_parameters(parameters, keys[0], key.kind))
    return KeyFile(key=key if not findings else None, findings=tuple(findings))


def _read_block(block: Block, findings: list[Finding]) -> Key | None:
    where = _where(block)
    if block.label in _SSH_LABELS:
        message = "it is a key in the form of SSH; convert it with `ssh-keygen -p -m PKCS8 -f FILE`"
        findings.append(FOREIGN_FORM.found(message, where=where))
    elif block.label in _OTHER_TYPES:
        findings.extend(PRIVATE.unfit(KeyKind(algorithm=_OTHER_TYPES[block.label]), where=where))
    elif block.is_encrypted or block.label == "ENCRYPTED PRIVATE KEY":
        message = "it is encrypted with a passphrase; decrypt it with `openssl pkey -in FILE -out PLAIN`, and seal that"
        findings.append(ENCRYPTED.found(message, where=where))
    elif block.label not in _FORMS:
        message = f"it is {block.label[:80]}; PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY is expected"
        findings.append(FOREIGN_FORM.found(message, where=where))
    elif block.content is not None:
        return _load(block.label, block.content, where, findings)
    return None


def _load(label: str, content: bytes, where: str, findings: list[Finding]) -> Key | None:
    try:
        kind = _kind(label, content)
    except NotDerError as error:
        message = f"its contents are not what {label} says ({error}); export the key again as PKCS #8"
        findings.append(UNREADABLE.found(message, where=where))
        return None
    if refused := PRIVATE.unfit(kind, where=where):
        findings.extend(refused)
        return None
    try:
        private = load_der_private_key(content, None, unsafe_skip_rsa_key_validation=True)
    except reading.UNREADABLE:  # whose text might show parts of the key
        message = "its numbers do not belong together, or are damaged; export the key again where it was made"
        findings.append(INCONSISTENT.found(message, where=where))
        return None
    assert isinstance(private, TakenKey)
    if isinstance(private, rsa.RSAPrivateKey) and (wrong := _inconsistency(private.private_numbers())):
        findings.append(INCONSISTENT.found(f"{wrong}; export the key again where it was made", where=where))
        return None
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
                raise NotDerError("PKCS #8 in its second version, RFC 5958, which OpenSSL does not read")
            return kind_of_pkcs8(elements)
    raise NotDerError("another structure")


def _inconsistency(numbers: rsa.RSAPrivateNumbers) -> str | None:
    """Return in what the numbers of an RSA key contradict each other (RFC 8017 section 3.2)."""
    from gmpy2 import is_prime  # type: ignore[import-untyped] # noqa: PLC0415 - with badkeys only

    p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
    if p * q != public.n or min(p, q) <= 1:
        return "its modulus is not the product of its primes"
    if any((d * public.e - 1) % (prime - 1) for prime in (p, q)):
        return "its private exponent does not belong to its public one"
    if numbers.dmp1 != d % (p - 1) or numbers.dmq1 != d % (q - 1) or numbers.iqmp * q % p != 1:
        return "its CRT numbers do not belong to its primes"
    if not all(is_prime(prime, _PRIME_ROUNDS) for prime in (p, q)):
        return "its primes are not prime"
    return None


def _wrong_parameters(parameters: list[Block], key: Block, kind: KeyKind) -> list[Finding]:
    """Return what is wrong with the EC PARAMETERS blocks around the *key*."""
    found = []
    for block in parameters:
        message = None
        if block.content is not None:
            try:
                curve = curve_of(der.whole(block.content))
            except NotDerError as error:
                curve, message = "", f"its contents are no EC parameters ({error}); remove the block"
            if message is None and curve == EXPLICIT:
                message = "it spells out the parameters of a curve, which RFC 5480 forbids; remove the block"
            elif message is None and curve != kind.curve:
                message = f"it says {curve}, but the key is {kind}; remove the block if the key is right"
        if message is None and (block.number > key.number or len(parameters) > 1):
            message = "one such block may stand, before the key; remove the others"
        if message is not None:
            found.append(PARAMETERS.found(message, where=_where(block)))
    return found


def _foreign(block: Block, *, is_alone: bool) -> Finding:
    where = _where(block)
    if block.label.endswith("CERTIFICATE"):
        if is_alone:
            message = "this is a certificate; give the private key that it was made for (are bundle and key swapped?)"
            return IS_CERTIFICATE.found(message, where=where)
        message = "there is a certificate beside the key; certificates belong into the bundle"
    elif block.label.endswith("PUBLIC KEY"):
        if is_alone:
            return IS_PUBLIC.found("this is a public key; the private key is expected", where=where)
        message = "there is a public key beside the private one; remove it"
    else:
        message = f"it is {block.label[:80]}; only the private key is expected"
    return FOREIGN_BLOCK.found(message, where=where)


def _where(block: Block) -> str:
    return f"key, {block.where}"
