"""Attacks on sealed keys by an attacker who can read or write their rows."""

import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey, PublicKey, SealedBox

from shared.errors import SealError
from shared.identifiers import KeyId
from shared.vault import KeyReader, KeyWriter, SealedKey
from shared.vault.rings import utc_now
from tests.builders.rings import joined, oldest_of, ring, signing_pair, vault_pair

KEY_ID: Final = KeyId("key_000000000000000000000001")
OTHER_ID: Final = KeyId("key_000000000000000000000002")
TENANT: Final = "acme"
PRIVATE: Final = b"0\x81\x87private-key-in-der" * 5
PUBLIC: Final = b"0Y0\x13public-key-in-der"

VAULT_SECRET, VAULT_PUBLIC = vault_pair()
SIGNING, VERIFY = signing_pair()
WRITER: Final = KeyWriter(vault=VAULT_PUBLIC, signing=SIGNING, writer="provisioner")
READER: Final = KeyReader(vault=VAULT_SECRET, verify=VERIFY)

BYTES_FIELDS: Final = ("public_key", "ciphertext", "signature", "wrap")
TEXT_FIELDS: Final = ("key_id", "writer", "signing_key_id", "vault_key_id")


def seal(
    writer: KeyWriter = WRITER,
    *,
    key_id: KeyId = KEY_ID,
    tenant: str = TENANT,
    private: bytes = PRIVATE,
    public: bytes = PUBLIC,
) -> SealedKey:
    return writer.seal(key_id=key_id, tenant=tenant, private_key_pkcs8=private, public_key_spki=public)


def altered(name: str, value: Any) -> SealedKey:
    """Return the sealed key with another *value* of the field *name*."""
    return replace(SEALED, **{name: value})


SEALED: Final = seal()
OTHER: Final = seal(key_id=OTHER_ID, private=b"another private key", public=b"another public key")


@given(private=st.binary(max_size=5000), public=st.binary(max_size=600), tenant=st.text(max_size=130), key_id=st.text())
def test_a_sealed_key_opens(private: bytes, public: bytes, tenant: str, key_id: str) -> None:
    sealed = seal(key_id=KeyId(key_id), tenant=tenant, private=private, public=public)

    assert READER.open(sealed, tenant=tenant) == private


def test_the_stored_row_does_not_contain_the_private_key() -> None:
    stored = pickle.dumps(SEALED)

    assert PRIVATE not in stored
    assert PRIVATE[:20] not in stored
    assert PUBLIC in stored


def test_sealing_a_key_twice_gives_different_rows() -> None:
    again = seal()

    assert (again.ciphertext, again.wrap, again.signature) != (SEALED.ciphertext, SEALED.wrap, SEALED.signature)
    assert again.ciphertext[:24] != SEALED.ciphertext[:24]


@given(name=st.sampled_from(BYTES_FIELDS), data=st.data())
def test_a_row_with_any_bit_changed_does_not_open(name: str, data: st.DataObject) -> None:
    original = getattr(SEALED, name)
    place = data.draw(st.integers(0, len(original) * 8 - 1))
    changed = bytearray(original)
    changed[place // 8] ^= 1 << place % 8

    with pytest.raises(SealError):
        READER.open(altered(name, bytes(changed)), tenant=TENANT)


@given(name=st.sampled_from(BYTES_FIELDS), data=st.data())
def test_a_row_with_a_field_cut_or_lengthened_does_not_open(name: str, data: st.DataObject) -> None:
    original = getattr(SEALED, name)
    cut = original[: data.draw(st.integers(0, len(original) - 1))]
    longer = original + data.draw(st.binary(min_size=1, max_size=40))

    for changed in (cut, longer):
        with pytest.raises(SealError):
            READER.open(altered(name, changed), tenant=TENANT)


@given(name=st.sampled_from((*BYTES_FIELDS, *TEXT_FIELDS)), data=st.data())
def test_a_row_with_other_content_in_a_field_does_not_open(name: str, data: st.DataObject) -> None:
    original = getattr(SEALED, name)
    strategy: st.SearchStrategy[Any] = st.binary() if isinstance(original, bytes) else st.text()
    changed = data.draw(strategy.filter(lambda value: value != original))

    with pytest.raises(SealError):
        READER.open(altered(name, changed), tenant=TENANT)


@given(st.sets(st.sampled_from([field.name for field in fields(SealedKey)]), min_size=1))
def test_no_mixture_of_two_rows_opens(names: set[str]) -> None:
    mixed = replace(SEALED, **{name: getattr(OTHER, name) for name in names})

    if mixed not in (SEALED, OTHER):
        with pytest.raises(SealError):
            READER.open(mixed, tenant=TENANT)


@pytest.mark.parametrize("tenant", ["", "acme2", "acm", "ACME", "acme\x00"])
def test_the_key_of_one_tenant_does_not_open_for_another(tenant: str) -> None:
    with pytest.raises(SealError, match="signature"):
        READER.open(SEALED, tenant=tenant)


def test_a_row_copied_to_another_key_id_does_not_open() -> None:
    with pytest.raises(SealError, match=OTHER_ID):
        READER.open(replace(SEALED, key_id=OTHER_ID), tenant=TENANT)


def test_moving_bytes_between_neighbouring_fields_does_not_give_the_same_context() -> None:
    sealed = seal(key_id=KeyId("key_a"), tenant="bc")

    with pytest.raises(SealError):
        READER.open(replace(sealed, key_id=KeyId("key_ab")), tenant="c")


def test_an_older_row_put_back_does_not_open_as_the_newer_one() -> None:
    old = seal(private=b"the old key", public=b"the old public key")
    new = seal(private=b"the new key", public=b"the new public key")

    assert READER.open(old, tenant=TENANT) == b"the old key"  # with its own public key, the old row still opens
    with pytest.raises(SealError):
        READER.open(replace(old, public_key=new.public_key), tenant=TENANT)


def test_a_row_signed_with_an_attackers_own_key_does_not_open() -> None:
    own_signing, _ = signing_pair()
    forged = seal(KeyWriter(vault=VAULT_PUBLIC, signing=own_signing, writer="provisioner"))

    assert forged.signing_key_id == SEALED.signing_key_id  # it claims to be signed with the genuine key
    with pytest.raises(SealError, match="signature"):
        READER.open(forged, tenant=TENANT)


def test_an_unknown_signing_key_is_named() -> None:
    with pytest.raises(
        SealError, match="'unknown-7', which this process does not know as a signing key of 'provisioner'"
    ):
        READER.open(replace(SEALED, signing_key_id="unknown-7"), tenant=TENANT)


def test_one_writer_cannot_sign_in_the_name_of_another() -> None:
    validator_signing, validator_verify = signing_pair("validator")
    reader = KeyReader(vault=VAULT_SECRET, verify=joined(VERIFY, validator_verify))
    forged = seal(KeyWriter(vault=VAULT_PUBLIC, signing=validator_signing, writer="provisioner"))
    genuine = seal(KeyWriter(vault=VAULT_PUBLIC, signing=validator_signing, writer="validator"))

    with pytest.raises(SealError, match="does not know as a signing key of 'provisioner'"):
        reader.open(forged, tenant=TENANT)
    assert reader.open(genuine, tenant=TENANT) == PRIVATE


def test_a_signing_key_with_the_id_of_another_writers_key_is_not_accepted() -> None:
    signing, _ = signing_pair("validator")
    _, verify = signing_pair("provisioner")
    same_id = ring("k", signing.keys[0].material)
    reader = KeyReader(vault=VAULT_SECRET, verify=ring("k", verify.keys[0].material, writer="provisioner"))

    with pytest.raises(SealError):
        reader.open(seal(KeyWriter(vault=VAULT_PUBLIC, signing=same_id, writer="validator")), tenant=TENANT)


def test_the_wrap_of_one_row_does_not_open_another() -> None:
    with pytest.raises(SealError, match=r"wrap .* made for another key"):
        READER.open(replace(SEALED, wrap=OTHER.wrap), tenant=TENANT)


def test_a_wrap_made_by_an_attacker_does_not_open_the_ciphertext() -> None:
    box = SealedBox(PublicKey(VAULT_PUBLIC.current_at(utc_now()).material))
    for content in (b"", b"\x00" * 32, b"\x00" * 64, b"\x00" * 65):
        with pytest.raises(SealError):
            READER.open(replace(SEALED, wrap=box.encrypt(content)), tenant=TENANT)


def test_an_unknown_vault_key_is_named() -> None:
    with pytest.raises(SealError, match="'vault-9', which is not in this vault ring"):
        READER.open(replace(SEALED, vault_key_id="vault-9"), tenant=TENANT)


def test_another_vault_does_not_open_the_key() -> None:
    other_secret, _ = vault_pair()

    with pytest.raises(SealError, match="wrap"):
        KeyReader(vault=other_secret, verify=VERIFY).open(SEALED, tenant=TENANT)


@pytest.mark.parametrize("version", [0, 2, -1])
def test_a_format_of_another_release_is_named(version: int) -> None:
    with pytest.raises(SealError, match="format"):
        READER.open(replace(SEALED, format=version), tenant=TENANT)


def test_a_key_sealed_with_retired_keys_still_opens() -> None:
    secret, public = vault_pair(keys=2, retired=1)
    signing, verify = signing_pair(keys=2, retired=1)
    before = seal(KeyWriter(vault=oldest_of(public), signing=oldest_of(signing), writer="provisioner"))
    after = seal(KeyWriter(vault=public, signing=signing, writer="provisioner"))

    reader = KeyReader(vault=secret, verify=verify)

    assert (before.vault_key_id, before.signing_key_id) == ("vault-0", "provisioner-0")
    assert (after.vault_key_id, after.signing_key_id) == ("vault-1", "provisioner-1")
    assert reader.open(before, tenant=TENANT) == reader.open(after, tenant=TENANT) == PRIVATE


def test_a_data_key_wrapped_again_for_another_vault_key_opens() -> None:
    secret, public = vault_pair(keys=2)
    sealed = seal(KeyWriter(vault=oldest_of(public), signing=SIGNING, writer="provisioner"))
    opened = SealedBox(PrivateKey(secret.keys[0].material)).decrypt(sealed.wrap)
    wrapped_again = SealedBox(PublicKey(public.keys[1].material)).encrypt(opened)

    rotated = replace(sealed, vault_key_id="vault-1", wrap=wrapped_again)

    assert KeyReader(vault=secret, verify=VERIFY).open(rotated, tenant=TENANT) == PRIVATE


@pytest.mark.parametrize("shown", [repr, str, lambda value: repr([value])])
def test_no_secret_is_shown(shown: Callable[[object], str]) -> None:
    secrets = [VAULT_SECRET.current_at(utc_now()).material, SIGNING.current_at(utc_now()).material, PRIVATE]

    text = "".join(
        shown(value) for value in (WRITER, READER, SEALED, VAULT_SECRET, SIGNING, VAULT_SECRET.current_at(utc_now()))
    )

    assert not [secret for secret in secrets if repr(secret)[2:-1] in text or secret.hex() in text]


def test_an_error_shows_no_secret_and_carries_no_other_error() -> None:
    with pytest.raises(SealError) as caught:
        READER.open(replace(SEALED, wrap=OTHER.wrap), tenant=TENANT)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert repr(PRIVATE)[2:-1] not in repr(caught.value)
