"""Account keys, and the signatures that they make (RFC 8555 section 6.2: flattened JSON, ES256).

Signatures are put together by hand, at a third of the cost of josepy's objects; an order needs seven. josepy makes the
public JWK and its thumbprint, and the tests verify signatures with it.
"""

import json
from base64 import urlsafe_b64encode
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

from shared.errors import PermanentError

_ES256: Final = ec.ECDSA(hashes.SHA256())  # RFC 7518 section 3.4
_COORDINATE_BYTES: Final = 32


def generate() -> bytes:
    """Return a fresh account key as PKCS #8 DER."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def base64url(data: bytes) -> str:
    """Return *data* in base64url without padding, as RFC 8555 section 6.1 encodes all binary values."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class AccountKey:
    """A P-256 key that signs requests and shows only its public half."""

    __slots__ = ("_private", "jwk", "thumbprint")

    def __init__(self, pkcs8: bytes) -> None:
        private = serialization.load_der_private_key(pkcs8, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise PermanentError("an ACME account key must be an ECDSA key on P-256, which this one is not")
        self._private = private
        self.jwk: Final = JWKEC(key=ComparableECKey(private.public_key()))
        self.thumbprint: Final = base64url(self.jwk.thumbprint())  # RFC 7638

    def signer(self, account_url: str | None) -> "Signer":
        """Return a signer for the account, or for the bare key while there is no account."""
        if account_url is None:
            return Signer(self._private, f'"alg":"ES256","jwk":{json.dumps(self.jwk.to_partial_json())}')
        return Signer(self._private, f'"alg":"ES256","kid":{json.dumps(account_url)}')


class Signer:
    """Signs requests for one account or key, whose part of the header is made once."""

    __slots__ = ("_name", "_private")

    def __init__(self, private: ec.EllipticCurvePrivateKey, name: str) -> None:
        """Create a signer with *private*; *name* has the JSON members that identify the signer."""
        self._private = private
        self._name = name

    def sign(self, payload: bytes, *, nonce: str, url: str) -> bytes:
        """Return *payload* as a signed request to *url*."""
        # A nonce is base64url by the time it gets here, so it needs no escaping.
        header = f'{{{self._name},"nonce":"{nonce}","url":{json.dumps(url)}}}'
        protected, body = base64url(header.encode()), base64url(payload)
        r, s = decode_dss_signature(self._private.sign(f"{protected}.{body}".encode(), _ES256))
        raw = r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
        return f'{{"protected":"{protected}","payload":"{body}","signature":"{base64url(raw)}"}}'.encode()
