"""Account keys and their signatures, verified with josepy and acme."""

import json

import pytest
from acme.jws import JWS
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from josepy.b64 import b64encode
from josepy.jwk import JWKEC

from services.provisioner.adapters.acme.keys import AccountKey, base64url, generate
from shared.errors import PermanentError

KEY = AccountKey(generate())
NONCES = st.binary(min_size=1, max_size=64).map(base64url)


@given(payload=st.binary(max_size=300), nonce=NONCES, url=st.text(min_size=1), account=st.text(min_size=1))
def test_the_signature_of_an_account_verifies(payload: bytes, nonce: str, url: str, account: str) -> None:
    signed = KEY.signer(account).sign(payload, nonce=nonce, url=url)

    message = JWS.json_loads(signed.decode())
    assert message.verify(KEY.jwk)
    assert message.payload == payload
    header = json.loads(message.signature.protected)
    assert header == {"alg": "ES256", "kid": account, "nonce": nonce, "url": url}


@given(payload=st.binary(max_size=300), nonce=NONCES)
def test_a_signature_of_the_bare_key_has_the_public_key(payload: bytes, nonce: str) -> None:
    signed = KEY.signer(None).sign(payload, nonce=nonce, url="https://ca.test/new-account")

    message = JWS.json_loads(signed.decode())
    assert message.verify()
    header = json.loads(message.signature.protected)
    assert JWKEC.from_json(header["jwk"]) == KEY.jwk
    assert "kid" not in header


def test_a_changed_message_does_not_verify() -> None:
    signed = json.loads(KEY.signer("https://ca.test/a/1").sign(b"{}", nonce="bm9uY2U", url="https://ca.test/x"))

    forged = JWS.json_loads(json.dumps({**signed, "payload": b64encode(b"[]").decode()}))

    assert not forged.verify(KEY.jwk)


def test_a_thumbprint_is_the_one_of_rfc_7638() -> None:
    assert KEY.thumbprint == b64encode(KEY.jwk.thumbprint()).decode()


def test_the_repr_of_a_key_shows_nothing_secret() -> None:
    pkcs8 = generate()
    private = serialization.load_der_private_key(pkcs8, password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    key = AccountKey(pkcs8)

    shown = f"{key!r} {key.jwk!r} {key.signer(None)!r}"

    assert str(private.private_numbers().private_value) not in shown
    assert f"{private.private_numbers().private_value:x}" not in shown


def test_a_key_of_another_kind_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    with pytest.raises(PermanentError, match="P-256"):
        AccountKey(other)
