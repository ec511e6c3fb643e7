"""Uploads with a fault in the server's own certificate."""

import ipaddress
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.builders.judging import der
from tests.builders.judging.certificates import (
    AT,
    DAY,
    HOST,
    alternatives,
    authority,
    constraints,
    issue,
    purposes,
    raw_extensions,
    rewritten,
    unknown,
    usage,
)
from tests.builders.judging.openssl import openssl
from tests.builders.judging.upload import (
    ISSUER,
    LEAF_KEY,
    ROOT,
    Breaches,
    Upload,
    good,
    with_bundle,
    with_chain,
    with_leaf,
)

_BASIC, _USAGE, _PURPOSES = x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage
_NAMES, _OWN_ID, _ISSUER_ID = x509.SubjectAlternativeName, x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier

# RFC 5758 section 3.2: ecdsa-with-SHA384; the signature itself is made with SHA-256
_ANOTHER_ALGORITHM: Final = der.sequence(der.oid("1.2.840.10045.4.3.3"))
_MUST_STAPLE: Final = x509.TLSFeature([x509.TLSFeatureType.status_request])
_EXTENSIONS: Final = f"subjectAltName = DNS:{HOST}\nauthorityKeyIdentifier = keyid\n"
_SECOND: Final = timedelta(seconds=1)


def _leaf(**parts: Any) -> Callable[[], Upload]:
    return lambda: with_leaf(**parts)


def _with(
    kind: type[x509.ExtensionType], extension: x509.ExtensionType | None, *, critical: bool = False
) -> Callable[[], Upload]:
    """Return the upload whose leaf has *extension* instead of the usual one of its *kind*."""
    return _leaf(extensions={kind: None if extension is None else (extension, critical)})


def _named(*names: str | x509.GeneralName, domain: str | None = HOST) -> Callable[[], Upload]:
    return lambda: replace(with_leaf(names=names), domain=domain)


def _rewritten(**parts: Any) -> Callable[[], Upload]:
    return lambda: with_chain(rewritten(issue(by=ISSUER, key=LEAF_KEY), by=ISSUER, **parts), ISSUER)


def _with_raw(*extensions: bytes) -> Callable[[], Upload]:
    """Return the upload whose leaf has these *extensions* in addition to the usual ones."""
    return _rewritten(extensions=[*raw_extensions(issue(by=ISSUER, key=LEAF_KEY)), *extensions])


def _of_two_algorithms() -> Upload:
    return with_chain(rewritten(issue(by=ROOT, key=LEAF_KEY), by=ROOT, outer_algorithm=_ANOTHER_ALGORITHM))


def _signed_by_openssl(*how: str, extensions: bool = True) -> Upload:
    """Return the upload whose leaf `openssl x509` signed for a year, with the options *how*."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"ca.pem": ISSUER.pem, "ca.key": ISSUER.key_pem, "my.key": good().key, "ext": _EXTENSIONS.encode()}
        for file, content in files.items():
            (folder / file).write_bytes(content)
        request = openssl("req", "-new", "-key", folder / "my.key", "-subj", f"/CN={HOST}")
        signer = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-days", "365")
        options = (*how, *(("-extfile", folder / "ext") if extensions else ()))
        leaf = openssl("x509", "-req", *signer, *options, given=request)
    made_at = x509.load_pem_x509_certificate(leaf).not_valid_before_utc
    return replace(with_bundle(leaf + ISSUER.pem), at=made_at + DAY)


def _of_nameless_authority() -> Upload:
    return with_chain(issue(by=authority(x509.Name([])), key=LEAF_KEY))


def _for(domain: str, *names: str) -> Callable[[], Upload]:
    return _named(*names, domain=domain)


BREACHES: Final[Breaches] = {
    "leaf_malformed": {
        "malformed alternative names": _rewritten(extensions=[der.extension("2.5.29.17", b"noise")]),
        "an empty list of purposes": _rewritten(extensions=[der.extension("2.5.29.37", der.sequence())]),
    },
    "leaf_extension_twice": {
        "alternative names": _with_raw(der.extension("2.5.29.17", alternatives("www.example.com").public_bytes())),
        "an unknown one": _with_raw(*2 * [der.extension("1.3.6.1.4.1.55738.666.1", b"\5\0")]),
    },
    "leaf_unknown_critical_extension": {
        "an unknown one": _leaf(more=[(unknown(), True)]),
        "the poison of a precertificate": _leaf(more=[(x509.PrecertPoison(), True)]),
    },
    "leaf_wrongly_critical_extension": {
        "its own key's identifier": _with(_OWN_ID, _OWN_ID.from_public_key(LEAF_KEY.public_key()), critical=True),
        "its issuer's": _with(_ISSUER_ID, _ISSUER_ID.from_issuer_public_key(ISSUER.key.public_key()), critical=True),
    },
    "leaf_not_version_3": {
        "version 1": _rewritten(version=1),
        "by openssl, without extensions": partial(_signed_by_openssl, extensions=False),
    },
    "leaf_bad_serial_number": {
        "zero": _rewritten(serial=b"\0"),
        "negative": _rewritten(serial=b"\xff"),
        "21 octets": _rewritten(serial=b"\1" * 21),
    },
    "leaf_weak_signature": {
        "SHA-224": _leaf(digest=SHA224()),
        "SHA-1, by openssl": partial(_signed_by_openssl, "-sha1"),
    },
    "leaf_two_algorithms": {"another at the signature": _of_two_algorithms},
    "leaf_no_issuer": {"an authority without a name": _of_nameless_authority},
    "leaf_expired": {
        "a second ago": _leaf(not_after=AT - _SECOND),
        "years ago": _leaf(not_before=AT - 900 * DAY, not_after=AT - 800 * DAY),
    },
    "leaf_not_yet_valid": {
        "in a second": _leaf(not_before=AT + _SECOND),
        "next year": _leaf(not_before=AT + 400 * DAY, not_after=AT + 490 * DAY),
    },
    "leaf_no_names": {
        "a common name only": lambda: replace(with_leaf(names=[]), domain=None),
        "none, though a domain is requested": _leaf(names=[]),
    },
    "leaf_too_many_names": {"2001": _named(*(f"shop{number}.example.com" for number in range(2001)))},
    "leaf_bad_name": {
        "two dots": _named(HOST, "a..example.com"),
        "a dot at the end": _named(HOST, "a.example.com."),
        "a dot at the start": _named(HOST, ".example.com"),
        "a blank": _named(HOST, "my shop.example.com"),
        "an address as a name": _named(HOST, x509.DNSName("192.0.2.1")),
        "a port": _named(HOST, "shop.example.com:443"),
        "a URL": _named(HOST, "https://shop.example.com"),
        "a hyphen at the end of a label": _named(HOST, "a-.example.com"),
        "a label of 64 characters": _named(HOST, "a" * 64 + ".example.com"),
        "non-ASCII letters": _with(
            _NAMES,
            x509.SubjectAlternativeName(
                [x509.DNSName(HOST), x509.DNSName._init_without_validation("b\u00fccher.example.com")]
            ),
        ),
    },
    "leaf_bad_wildcard": {
        "within a label": _named(HOST, "a*.example.com"),
        "not the first label": _named(HOST, "shop.*.com"),
        "two": _named(HOST, "*.*.example.com"),
        "for a public suffix": _named(HOST, "*.co.uk"),
        "for a top-level domain": _named(HOST, "*.com"),
        "for everything": _named(HOST, "*"),
    },
    "leaf_no_usable_name": {"a mailbox only": _named(x509.RFC822Name("me@example.com"), domain=None)},
    "leaf_names_not_critical": {"without a subject": _leaf(subject=x509.Name([]))},
    "domain_not_covered": {
        "another host": _for("cart.example.com", HOST),
        "a host below": _for(f"www.{HOST}", HOST),
        "the apex of a wildcard": _for("example.com", "*.example.com"),
        "two labels for a wildcard": _for("a.b.example.com", "*.example.com"),
        "a wildcard that the certificate lacks": _for("*.example.com", HOST),
        "an address": _for("192.0.2.1", HOST),
    },
    "leaf_is_authority": {"CA": _with(_BASIC, x509.BasicConstraints(ca=True, path_length=None), critical=True)},
    "leaf_may_sign": {"keyCertSign": _with(_USAGE, usage("digital_signature", "key_cert_sign"), critical=True)},
    "leaf_not_for_servers": {
        "for clients": _with(_PURPOSES, purposes(ExtendedKeyUsageOID.CLIENT_AUTH)),
        "for mail": _with(_PURPOSES, purposes(ExtendedKeyUsageOID.EMAIL_PROTECTION)),
        "for anything": _with(_PURPOSES, purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)),
    },
    "leaf_key_usage": {
        "RSA key exchange only": _with(_USAGE, usage("key_encipherment"), critical=True),
        "key agreement only": _with(_USAGE, usage("key_agreement"), critical=True),
    },
    "leaf_no_authority_key_identifier": {"none": _with(_ISSUER_ID, None)},
    "leaf_name_constraints": {"for its own name": _leaf(more=[(constraints(permitted=["example.com"]), True)])},
    "leaf_must_staple": {
        "status_request": _leaf(more=[(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)])
    },
    "expires_soon": {
        "in a day": _leaf(not_after=AT + DAY),
        "now": _leaf(not_after=AT),
    },
    "long_lifetime": {"three years": _leaf(not_before=AT - 10 * DAY, not_after=AT + 1000 * DAY)},
    "self_signed": {"by itself": lambda: with_chain(issue(key=LEAF_KEY))},
    "name_unusable": {"an underscore": _named(HOST, "my_shop.example.com")},
    "addresses_only": {"one": _named(x509.IPAddress(ipaddress.ip_address("192.0.2.1")), domain=None)},
}
