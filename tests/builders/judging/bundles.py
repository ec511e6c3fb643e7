"""Good bundles of every kind for a given key, made with `cryptography` and with the program `openssl`."""

import ipaddress
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.builders.judging.certificates import (
    HOST,
    Issued,
    alternatives,
    authority,
    bundle,
    constraints,
    ec_key,
    issue,
    named,
    purposes,
    unknown,
    usage,
)
from tests.builders.judging.keys import Kind, key_of_openssl, loaded
from tests.builders.judging.openssl import openssl
from tests.builders.judging.upload import ISSUER, ROOT

_SERVER: Final = f"""
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:{HOST}, DNS:www.{HOST}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
_POLICY_CA: Final = authority("Shop Policy CA", by=ROOT, path_length=1)
_CA_BELOW_POLICY: Final = authority("Shop Issuing CA 7", by=_POLICY_CA, path_length=0)
_LIMITED_CA: Final = authority(
    "Shop CA for example.com", by=ROOT, path_length=0, more=[(constraints(permitted=["example.com"]), True)]
)
_ROLLED_OVER_CA: Final = authority("Shop Root", by=ROOT, key=ec_key(9))


def _under(*above: Issued, by: Issued = ROOT) -> Callable[[bytes], bytes]:
    return lambda key: bundle(issue(by=above[0] if above else by, key=loaded(key)), *above)


def _leaf(**parts: Any) -> Callable[[bytes], bytes]:
    return lambda key: bundle(issue(by=ISSUER, key=loaded(key), **parts), ISSUER)


@cache
def _root_with(kind: Kind) -> Issued:
    return authority(f"Shop {kind} Root", key=loaded(key_of_openssl(kind)))


def _signed_by(kind: Kind, **how: Any) -> Callable[[bytes], bytes]:
    return lambda key: bundle(issue(by=_root_with(kind), key=loaded(key), **how))


def _with_openssl(key: bytes, *, text: bool) -> bytes:
    """Return the bundle that the usual commands make; with *text*, the certificate is preceded by its text form."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in {"ca.key": key_of_openssl(Kind.P256), "my.key": key, "ext": _SERVER.encode()}.items():
            (folder / file).write_bytes(content)
        root = ("-new", "-key", folder / "ca.key", "-subj", "/O=Shop/CN=Shop Root 2", "-days", "3650")
        openssl("req", "-x509", *root, "-out", folder / "ca.pem")
        request = openssl("req", "-new", "-key", folder / "my.key", "-subj", f"/CN={HOST}")
        signer = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-days", "90")
        certificate = openssl("x509", "-req", *signer, "-extfile", folder / "ext", given=request)
        return openssl("x509", *(["-text"] if text else []), given=certificate) + (folder / "ca.pem").read_bytes()


# Each function takes a private key (PEM) and returns a bundle (PEM) whose leaf has its public half. All are for HOST.
BUNDLES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "under a root": _under(),
    "under a root, which is included": _under(ROOT),
    "under an intermediate": _under(ISSUER),
    "under an intermediate, with the root": _under(ISSUER, ROOT),
    "under two intermediates": _under(_CA_BELOW_POLICY, _POLICY_CA),
    "under a root's new key, certified by its old one": _under(_ROLLED_OVER_CA),
    "under an authority for example.com only": _under(_LIMITED_CA),
    **{f"under an authority with {kind}": _signed_by(kind) for kind in Kind},
    "under an authority that signs with PSS": _signed_by(Kind.RSA_3072, pss=True),
    "a wildcard": _leaf(names=["*.example.com"]),
    "a wildcard and its apex": _leaf(names=["example.com", "*.example.com"]),
    "an internationalized name": _leaf(names=["xn--bcher-kva.example.com", HOST]),
    "names in capitals": _leaf(names=["Shop.Example.COM"]),
    "a hundred names": _leaf(names=[HOST, *(f"shop{number}.example.com" for number in range(99))]),
    "a name of 253 characters": _leaf(names=[HOST, ".".join(["a" * 60, "b" * 60, "c" * 60, "d" * 58, "example.com"])]),
    "an address and a host name": _leaf(names=[HOST, x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]),
    "of an organization": _leaf(subject=named(HOST, C="DE", O="Bücher & Söhne GmbH")),
    "without a subject": _leaf(
        subject=x509.Name([]), extensions={x509.SubjectAlternativeName: (alternatives(HOST), True)}
    ),
    "for servers and clients": _leaf(
        extensions={
            x509.ExtendedKeyUsage: (purposes(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH), False)
        }
    ),
    "for any purpose": _leaf(extensions={x509.ExtendedKeyUsage: None}),
    "for any key exchange": _leaf(extensions={x509.KeyUsage: (usage("digital_signature", "key_encipherment"), True)}),
    "without a key usage": _leaf(extensions={x509.KeyUsage: None}),
    "without basic constraints": _leaf(extensions={x509.BasicConstraints: None}),
    "without a subject key identifier": _leaf(extensions={x509.SubjectKeyIdentifier: None}),
    "with an unknown extension": _leaf(more=[(unknown(), False)]),
    "by openssl": partial(_with_openssl, text=False),
    "by openssl, with text": partial(_with_openssl, text=True),
}
