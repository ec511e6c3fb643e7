"""Uploads with a fault in the authorities' certificates, in their order, or in the path to a root."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.builders.judging import der
from tests.builders.judging.certificates import (
    AT,
    DAY,
    HOST,
    Issued,
    authority,
    constraints,
    ec_key,
    issue,
    named,
    purposes,
    raw_extensions,
    rewritten,
    unknown,
    usage,
)
from tests.builders.judging.upload import ISSUER, LEAF_KEY, ROOT, Breaches, Upload, with_chain, with_leaf

_BASIC, _USAGE, _PURPOSES = x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage
_OWN_ID, _ISSUER_ID = x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier
_NAME: Final = "Shop Issuing CA"
# RFC 5758 section 3.2: ecdsa-with-SHA384; the signature itself is made with SHA-256
_ANOTHER_ALGORITHM: Final = der.sequence(der.oid("1.2.840.10045.4.3.3"))
_SECOND: Final = timedelta(seconds=1)

_OTHER_ROOT: Final = authority("Another Root")
_POLICY: Final = authority("Shop Policy CA", by=ROOT)
_BELOW: Final = authority("Shop CA 7", by=_POLICY)


def _under(issuer: Callable[[], Issued]) -> Callable[[], Upload]:
    """Return the upload whose leaf is signed by *issuer*, which is in the bundle."""

    def made() -> Upload:
        by = issuer()
        return with_chain(issue(by=by, key=LEAF_KEY), by)

    return made


def _issuer(**parts: Any) -> Callable[[], Upload]:
    """Return a builder of an upload whose intermediate is issued with these *parts* instead of the usual ones."""
    return _under(lambda: authority(_NAME, by=ROOT, **parts))


def _with(
    kind: type[x509.ExtensionType], extension: x509.ExtensionType | None, *, critical: bool = True
) -> Callable[[], Upload]:
    """Return the upload whose intermediate has *extension* instead of the usual one of its *kind*."""
    return _issuer(extensions={kind: None if extension is None else (extension, critical)})


def _rewritten(**parts: Any) -> Callable[[], Upload]:
    return _under(lambda: rewritten(authority(_NAME, by=ROOT), by=ROOT, **parts))


def _with_raw(*extensions: bytes) -> Callable[[], Upload]:
    return _rewritten(extensions=[*raw_extensions(authority(_NAME, by=ROOT)), *extensions])


def _chain(*above: Issued, by: Issued = ISSUER, **more: Any) -> Callable[[], Upload]:
    """Return the upload of a leaf signed *by* an authority, followed by the certificates *above*."""
    return lambda: with_chain(issue(by=by, key=LEAF_KEY), *above, **more)


def _trusting(*above: Issued, by: Issued = ISSUER, root: Issued = ROOT) -> Callable[[], Upload]:
    return _chain(*above, by=by, trust=[root.certificate])


def _leaf(**parts: Any) -> Callable[[], Upload]:
    return lambda: with_leaf(**parts)


def _root_with(key: Callable[[], Any]) -> Callable[[], Upload]:
    """Return the upload of a leaf under a trusted root whose *key* is not accepted."""
    return lambda: _trusting(by=(root := authority("Old Root", key=key())), root=root)()


def _limited(limits: x509.NameConstraints, **leaf: Any) -> Callable[[], Upload]:
    """Return the upload whose intermediate has the name constraints *limits*."""
    return lambda: with_leaf(by=authority(_NAME, by=ROOT, more=[(limits, True)]), **leaf)


def _of_other_dates() -> Upload:
    """Return the upload whose leaf has GeneralizedTime before 2050 (RFC 5280 section 4.1.2.5)."""
    dates = (AT - 10 * DAY, AT + 80 * DAY)
    validity = der.sequence(*(der.tlv(0x18, f"{date:%Y%m%d%H%M%S}Z".encode()) for date in dates))
    return with_chain(rewritten(issue(by=ISSUER, key=LEAF_KEY), by=ISSUER, validity=validity), ISSUER)


def _huge() -> Upload:
    return with_leaf(more=[(unknown(value=der.octets(os.urandom(101 * 1024))), False)])


BREACHES: Final[Breaches] = {
    "chain_malformed": {
        "malformed constraints": _rewritten(extensions=[der.extension("2.5.29.30", b"noise")]),
    },
    "chain_extension_twice": {
        "an unknown one": _with_raw(*2 * [der.extension("1.3.6.1.4.1.55738.666.1", b"\5\0")]),
    },
    "chain_unknown_critical_extension": {"an unknown one": _issuer(more=[(unknown(), True)])},
    "chain_wrongly_critical_extension": {
        "the identifier of the root's key": _with(_ISSUER_ID, _ISSUER_ID.from_issuer_public_key(ROOT.key.public_key())),
    },
    "chain_not_version_3": {"version 1": _rewritten(version=1)},
    "chain_bad_serial_number": {
        "zero": _rewritten(serial=b"\0"),
        "negative": _rewritten(serial=b"\xff"),
        "21 octets": _rewritten(serial=b"\1" * 21),
    },
    "chain_weak_signature": {"SHA-224": _issuer(digest=SHA224())},
    "chain_two_algorithms": {"another at the signature": _rewritten(outer_algorithm=_ANOTHER_ALGORITHM)},
    "chain_no_issuer": {"a root without a name": _under(lambda: authority(_NAME, by=authority(x509.Name([]))))},
    "chain_expired": {
        "a second ago": _issuer(not_after=AT - _SECOND),
        "the trusted root": lambda: _trusting(by=(old := authority("Old", not_after=AT - DAY)), root=old)(),
    },
    "chain_not_yet_valid": {"in a second": _issuer(not_before=AT + _SECOND)},
    "chain_wrong_order": {
        "intermediates swapped": _chain(_POLICY, _BELOW, by=_BELOW),
        "the root before the intermediate": _chain(ROOT, ISSUER),
    },
    "chain_leaf_not_first": {
        "last": lambda: with_chain(ISSUER, issue(by=ISSUER, key=LEAF_KEY), key=ISSUER.key_pem),
        "in between": lambda: with_chain(ISSUER, issue(by=ISSUER, key=LEAF_KEY), ROOT, key=ISSUER.key_pem),
    },
    "chain_root_not_last": {
        "its renewal after it": _chain(ROOT, authority("Shop Root", not_before=AT - 9 * DAY), by=ROOT),
    },
    "chain_second_leaf": {
        "of another server": _chain(ISSUER, issue("cart", by=ISSUER, names=["cart.example.com"])),
        "in between": _chain(issue("cart", by=ISSUER, names=["cart.example.com"]), ISSUER),
        "the renewal": _chain(issue(by=ISSUER, key=LEAF_KEY), ISSUER),
    },
    "chain_stranger": {
        "another root after the root": _chain(ISSUER, ROOT, _OTHER_ROOT),
        "another root in the root's place": _chain(ISSUER, _OTHER_ROOT),
        "another authority": _chain(ISSUER, ROOT, authority("Stranger", by=_OTHER_ROOT)),
    },
    "chain_bad_signature": {
        "another key under the same name": _chain(authority(_NAME, by=ROOT, key=ec_key(8))),
        "made by another key": lambda: with_chain(issue(by=ISSUER, key=LEAF_KEY, signer=ec_key(8)), ISSUER),
    },
    "chain_incomplete": {
        "the intermediate before the policy's": _chain(_POLICY, by=_BELOW),
        "the intermediate before a trusted root": _trusting(),
    },
    "chain_not_an_authority": {
        "CA:FALSE": _with(_BASIC, x509.BasicConstraints(ca=False, path_length=None)),
        "no constraints": _with(_BASIC, None),
    },
    "chain_constraints_not_critical": {
        "the intermediate's": _with(_BASIC, x509.BasicConstraints(ca=True, path_length=None), critical=False),
    },
    "chain_may_not_sign": {"revocation lists only": _with(_USAGE, usage("crl_sign"))},
    "chain_not_for_servers": {
        "for clients": _with(_PURPOSES, purposes(ExtendedKeyUsageOID.CLIENT_AUTH), critical=False),
        "for anything": _with(_PURPOSES, purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), critical=False),
    },
    "chain_too_long": {
        "the policy CA allows none": lambda: _chain(
            below := authority("Below", by=(policy := authority("Policy", by=ROOT, path_length=0))), policy, by=below
        )(),
        "the trusted root allows none": lambda: _trusting(
            below := authority("Below", by=(root := authority("Short Root", path_length=0))), by=below, root=root
        )(),
    },
    "chain_no_subject": {"an empty name": _under(lambda: authority(x509.Name([]), by=ROOT))},
    "chain_weak_key": {
        "the trusted root's RSA 1024": _root_with(lambda: rsa.generate_private_key(65537, 1024)),
        "the trusted root's P-224": _root_with(lambda: ec.generate_private_key(ec.SECP224R1())),
        "the intermediate's P-224": _issuer(key=ec.generate_private_key(ec.SECP224R1())),
        "the intermediate's RSA 1024": _issuer(key=rsa.generate_private_key(65537, 1024)),
    },
    "chain_wrong_key_identifier": {
        "the leaf's": _leaf(extensions={_ISSUER_ID: (_ISSUER_ID.from_issuer_public_key(ROOT.key.public_key()), False)}),
    },
    "chain_bad_name_constraints": {
        "a malformed name": _limited(constraints(excluded=["a b.example.net"])),
    },
    "chain_forbidden_name": {
        "not permitted": _limited(constraints(permitted=["example.net"])),
        "excluded": _limited(constraints(excluded=["shop.example.com"])),
        "a wildcard over an excluded name": _limited(constraints(excluded=["a.example.com"]), names=["*.example.com"]),
        "a common name in another organization": _limited(constraints(permitted=[x509.DirectoryName(named("Shop"))])),
    },
    "chain_no_policy": {
        "the intermediate requires one at once": _issuer(more=[(x509.PolicyConstraints(0, None), True)]),
    },
    "chain_too_many_constraints": {
        "a thousand names by two hundred constraints": _limited(
            constraints(excluded=[f"n{number}.example.net" for number in range(200)]),
            names=[HOST, *(f"shop{number}.example.com" for number in range(1000))],
        ),
    },
    "chain_untrusted": {
        "the root is another": _trusting(ISSUER, ROOT, root=_OTHER_ROOT),
        "no root is trusted": _chain(ISSUER, ROOT, trust=[]),
    },
    "unneeded_certificate": {
        "expired, after a trusted one": lambda: _trusting(
            below := authority("Below", by=(old := authority("Old", by=ROOT, not_after=AT - DAY))),
            old,
            by=below,
            root=below,
        )(),
    },
    "chain_too_large": {"a huge extension": _huge},
    "chain_invalid": {"dates in another format than RFC 5280 requires": _of_other_dates},
    "root_included": {"after the intermediate": _chain(ISSUER, ROOT), "after the leaf": _chain(ROOT, by=ROOT)},
    "issuer_left_out": {"the leaf alone": _chain()},
    "authority_expires_first": {"an intermediate": _issuer(not_after=AT + 40 * DAY)},
    "strict_clients": {"no identifiers": _issuer(extensions={_OWN_ID: None}), "no key usage": _with(_USAGE, None)},
}
