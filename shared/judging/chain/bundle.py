"""Read the bundle: PEM certificates, the leaf first, and no other blocks.

Text around the blocks is not part of the bundle (RFC 7468 section 2). Callers get the certificates as they were read;
the text itself is never stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shared.errors import PermanentError
from shared.judging.certificate import reading
from shared.judging.der import NotDerError
from shared.judging.key.accepted_keys import issuer_flaw
from shared.judging.key.kinds import KeyKind, kind_in_certificate
from shared.judging.model import Finding, Rule
from shared.judging.pem.blocks import Block, scan
from shared.judging.pem.pem_rules import Flaw, PemRules
from shared.judging.pem.wrong_formats import recognise_der
from shared.judging.phrases import shown

MAX_BYTES: Final = 256 * 1024
MAX_CERTIFICATES: Final = 16
_MAX_TRUST_BYTES: Final = 1024 * 1024  # all roots of a browser fit into it

PEM_RULES: Final = PemRules.of("bundle", max_bytes=MAX_BYTES)
_TRUST_PEM_RULES: Final = PemRules.of("file", max_bytes=_MAX_TRUST_BYTES, max_blocks=1024)

NO_CERTIFICATE: Final = Rule(
    code="bundle_no_certificate",
    source="product rule",
    summary="the bundle has at least one certificate",
)
TOO_MANY_CERTIFICATES: Final = Rule(
    code="bundle_too_many_certificates",
    source="product rule",
    summary=f"the bundle has at most {MAX_CERTIFICATES} certificates",
)
PRIVATE_KEY: Final = Rule(
    code="bundle_private_key",
    source="CABF BR section 9.6.3 (2)",
    summary="the bundle has no private key: a bundle is public",
)
FOREIGN_BLOCK: Final = Rule(
    code="bundle_foreign_block",
    source="RFC 8446 section 4.4.2",
    summary="the bundle contains only certificates: no requests, revocation lists, parameters or public keys",
)
OLD_LABEL: Final = Rule(
    code="bundle_old_label",
    source="RFC 7468 section 5.1",
    summary="certificates have the label CERTIFICATE, not X509 CERTIFICATE, TRUSTED CERTIFICATE or certificate",
)
DUPLICATE: Final = Rule(
    code="bundle_duplicate_certificate",
    source="RFC 8446 section 4.4.2",
    summary="the bundle has no certificate twice",
)
UNREADABLE: Final = Rule(
    code="certificate_unreadable",
    source="RFC 5280 section 4.1, X.690 section 10",
    summary="each certificate is one complete X.509 structure in DER, with nothing after it",
)
RULES: Final = (
    *PEM_RULES.by_flaw.values(),
    NO_CERTIFICATE,
    TOO_MANY_CERTIFICATES,
    PRIVATE_KEY,
    FOREIGN_BLOCK,
    OLD_LABEL,
    DUPLICATE,
    UNREADABLE,
)

_OLD_LABELS: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "X.509 CERTIFICATE", "TRUSTED CERTIFICATE"})
_PUBLIC_KEY: Final = "is a public key, which the certificate already contains; remove it"
_REQUEST: Final = "is a certificate signing request; provide the certificate that the CA issued for it"
_FOREIGN: Final = {
    "CERTIFICATE REQUEST": _REQUEST,
    "NEW CERTIFICATE REQUEST": _REQUEST,
    "X509 CRL": "is a certificate revocation list; remove it",
    "PKCS7": "is PKCS #7; extract the certificates with `openssl pkcs7 -print_certs`",
    "CMS": "is CMS; extract the certificates with `openssl pkcs7 -print_certs`",
    "EC PARAMETERS": "belongs to an EC key, not to a certificate; remove it",
    "DH PARAMETERS": "has Diffie-Hellman parameters, which are not used; remove it",
    "PUBLIC KEY": _PUBLIC_KEY,
    "RSA PUBLIC KEY": _PUBLIC_KEY,
}
_IS_PRIVATE: Final = (
    "is a private key. A bundle is public and is sent unencrypted; the key belongs only in the key's file. "
    "If this text was sent anywhere, the key is compromised: make a new key and have the certificate reissued"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One certificate of a bundle whose names, dates and type of key are readable."""

    number: int  # among the certificates, from 1
    where: str  # 'certificate 2 (line 24)'
    der: bytes = field(repr=False)
    certificate: x509.Certificate
    kind: KeyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The certificates of a bundle and the findings about it.

    *entries* has each readable certificate once, in order. *leaf* is the first certificate, if it is readable.
    *is_whole* says that *entries* has every certificate of the text.
    """

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    leaf: Entry | None
    is_whole: bool


def read_bundle(text: bytes) -> Bundle:
    """Return the certificates in the bundle *text* and the findings about it. Chain and dates are judged elsewhere."""
    count = text.count(b"-----BEGIN CERTIFICATE-----") if len(text) <= MAX_BYTES else 0
    if count > MAX_CERTIFICATES:
        message = f"the bundle has {count:,} certificates; at most {MAX_CERTIFICATES} are accepted"
        too_many = TOO_MANY_CERTIFICATES.found(message, where="bundle")
        return Bundle(entries=(), findings=(too_many,), leaf=None, is_whole=False)
    scanned = scan(text, PEM_RULES)
    findings = list(scanned.findings)
    entries: list[Entry | None] = []
    for block in scanned.blocks:
        if block.label == "CERTIFICATE":
            entries.append(_entry(block, len(entries) + 1, findings))
            continue
        if block.label:
            findings += _foreign(block)
        if not block.label or block.label.upper() in _OLD_LABELS:
            entries.append(None)  # it may have been a certificate
    if scanned.blocks and not entries:
        is_key = any(block.label.endswith("PRIVATE KEY") for block in scanned.blocks)
        instead = ", only a private key (are the two files swapped?)" if is_key else ""
        message = f"the bundle has no certificate{instead}; at least the leaf is expected"
        findings.append(NO_CERTIFICATE.found(message, where="bundle"))
    readable = tuple(_without_duplicates(entries, findings))
    return Bundle(
        entries=readable,
        findings=tuple(findings),
        leaf=entries[0] if entries else None,
        is_whole=bool(entries) and None not in entries and not scanned.findings,
    )


def read_trust(text: bytes) -> tuple[x509.Certificate, ...]:
    """Return the root certificates of the PEM file *text*, at least one.

    Raises:
        PermanentError: *text* has no certificate, or has something else; the error says what and where.
    """
    scanned = scan(text, _TRUST_PEM_RULES)
    findings = list(scanned.findings)
    roots: list[x509.Certificate] = []
    for block in scanned.blocks:
        if block.label == "CERTIFICATE":
            entry = _entry(block, len(roots) + 1, findings)
            roots += [] if entry is None else [entry.certificate]
        elif block.label:
            raise PermanentError(
                f"trusted roots: {block} of the file is {block.label[:80]}; only certificates are accepted"
            )
    if findings:
        raise PermanentError(f"trusted roots: {findings[0].message}")
    return tuple(roots)


def _entry(block: Block, number: int, findings: list[Finding]) -> Entry | None:
    where = f"certificate {number} (line {block.line})"
    if block.is_encrypted:
        predicate = "is encrypted; certificates are public, so provide it as it was issued"
        findings.append(PEM_RULES.found(Flaw.HEADERS, predicate, str(block)))
    if block.content is None:
        return None
    try:
        kind = kind_in_certificate(block.content)
        certificate = x509.load_der_x509_certificate(block.content)
        if certificate.public_bytes(Encoding.DER) != block.content:
            raise NotDerError("it is not encoded as DER requires")
        _decode_now(certificate, kind)
    except reading.UNREADABLE as error:
        findings.append(_unreadable(block.content, error, where))
        return None
    return Entry(number=number, where=where, der=block.content, certificate=certificate, kind=kind)


def _unreadable(content: bytes, error: Exception, where: str) -> Finding:
    what = (recognise_der(content) or "").partition(" in DER")[0].partition(", not PEM")[0]
    if what == "a private key":
        return PRIVATE_KEY.found(f"{where} {_IS_PRIVATE}", where=where)
    if what and what not in {"a certificate", "DER of an unknown kind"}:
        return UNREADABLE.found(
            f"{where} is labelled as a certificate, but is {what}; provide the certificate", where=where
        )
    message = f"{where} cannot be read as X.509 ({shown(str(error))}); export it again from where it was issued"
    return UNREADABLE.found(message, where=where)


def _decode_now(certificate: x509.Certificate, kind: KeyKind) -> None:
    """Make cryptography decode the parts that it would decode later, so that damage shows now."""
    _ = certificate.version, certificate.issuer, certificate.subject
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.signature_algorithm_oid
    if issuer_flaw(kind) is None:
        certificate.public_key()


def _foreign(block: Block) -> Iterator[Finding]:
    where = str(block)
    what = f"{where} of the bundle"
    if block.label.endswith("PRIVATE KEY"):
        yield PRIVATE_KEY.found(f"{what} {_IS_PRIVATE}", where=where)
    elif block.content is None and not block.is_encrypted:
        return  # the scan has already reported it
    elif block.label.upper() in _OLD_LABELS:
        message = f"{what} has the label {block.label}, which some programs skip; convert it with `openssl x509`"
        yield OLD_LABEL.found(message, where=where)
    else:
        predicate = _FOREIGN.get(block.label) or f"is {block.label[:80]}, not CERTIFICATE; remove it"
        yield FOREIGN_BLOCK.found(f"{what} {predicate}", where=where)


def _without_duplicates(entries: list[Entry | None], findings: list[Finding]) -> Iterator[Entry]:
    seen: dict[bytes, Entry] = {}
    for entry in entries:
        if entry is None:
            continue
        first = seen.setdefault(entry.der, entry)
        if first is entry:
            yield entry
        else:
            findings.append(
                DUPLICATE.found(f"{entry.where} is the same as {first.where}; remove one of them", where=entry.where)
            )
