"""Uploads with a fault in the bundle's content: blocks that do not belong there, or too many."""

import base64
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.builders.judging.certificates import AT, DAY, HOST, authority, bundle, issue, named
from tests.builders.judging.keys import pem_block
from tests.builders.judging.openssl import openssl
from tests.builders.judging.upload import ISSUER, LEAF_KEY, ROOT, Breaches, Upload, good, with_bundle


def _and(block: Callable[[], bytes]) -> Callable[[], Upload]:
    return lambda: with_bundle(good().bundle + block())


def _only(block: Callable[[], bytes]) -> Callable[[], Upload]:
    return lambda: with_bundle(block())


def _request() -> bytes:
    request = x509.CertificateSigningRequestBuilder().subject_name(named(HOST)).sign(LEAF_KEY, SHA256())
    return request.public_bytes(Encoding.PEM)


def _revocations() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(ISSUER.certificate.subject)
    revocations = builder.last_update(AT).next_update(AT + DAY).sign(ISSUER.key, SHA256())
    return revocations.public_bytes(Encoding.PEM)


def _public_key() -> bytes:
    return LEAF_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _pkcs7() -> bytes:
    return openssl("crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", given=good().bundle)


def _pkcs12() -> bytes:
    return openssl("pkcs12", "-export", "-passout", "pass:", given=good().key + good().bundle)


def _der() -> bytes:
    return openssl("x509", "-outform", "DER", given=good().bundle)


def _trusted() -> bytes:
    return openssl("x509", "-trustout", given=good().bundle) + ISSUER.pem


def _relabelled(label: bytes) -> bytes:
    return good().bundle.replace(b" CERTIFICATE-", b" " + label + b"-", 2)


def _seventeen() -> bytes:
    line = [ROOT]
    for number in range(16):
        line.append(authority(f"CA {number}", by=line[-1]))
    return bundle(issue(by=line[-1], key=LEAF_KEY), *reversed(line[1:]))


def _leaf_with(change: Callable[[bytes], bytes]) -> bytes:
    """Return the bundle with the DER of its leaf changed."""
    content = base64.b64decode(re.split(rb"-----[A-Z ]+-----", good().bundle)[1])
    return pem_block("CERTIFICATE", change(content)) + ISSUER.pem


BREACHES: Final[Breaches] = {
    "bundle_not_pem": {"DER": _only(_der), "PKCS #12": _only(_pkcs12)},
    "bundle_no_certificate": {"a request": _only(_request), "PKCS #7": _only(_pkcs7)},
    "bundle_too_many_certificates": {
        "a chain of seventeen": _only(_seventeen),
        "three hundred": _only(lambda: ISSUER.pem * 300),
    },
    "bundle_private_key": {
        "PKCS #8": _and(lambda: good().key),
        "SEC 1": _and(lambda: openssl("ec", given=good().key)),
        "before the leaf": lambda: with_bundle(good().key + good().bundle),
    },
    "bundle_foreign_block": {
        "a request": _and(_request),
        "a revocation list": _and(_revocations),
        "a public key": _and(_public_key),
        "EC parameters": _and(partial(openssl, "ecparam", "-name", "P-256")),
    },
    "bundle_old_label": {
        "X509 CERTIFICATE": _only(partial(_relabelled, b"X509 CERTIFICATE")),
        "TRUSTED CERTIFICATE": _only(_trusted),
    },
    "bundle_duplicate_certificate": {
        "the leaf": _and(lambda: good().bundle.partition(b"END CERTIFICATE-----\n")[0] + b"END CERTIFICATE-----\n"),
        "the intermediate": _and(lambda: ISSUER.pem),
    },
    "certificate_unreadable": {
        "noise": _only(partial(_leaf_with, lambda content: bytes(len(content)))),
        "a byte after it": _only(partial(_leaf_with, lambda content: content + b"\0")),
        "truncated": _only(partial(_leaf_with, lambda content: content[:-40])),
        "another structure": _only(partial(_leaf_with, lambda _: b"\x30\x03\x02\x01\x01")),
    },
}
