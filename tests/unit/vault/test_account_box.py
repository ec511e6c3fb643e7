"""ACME account keys are sealed with the provisioner's own secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SealError
from shared.vault import AccountKeyBox
from tests.builders.rings import oldest_of, ring

SECRETS = ring("provisioner", b"1" * 32, b"2" * 32, retired=1)
BOX = AccountKeyBox(SECRETS)
SEALED = BOX.seal(b"account key", context="acct_1")


@given(key=st.binary(max_size=3000), context=st.text(max_size=200))
def test_a_sealed_key_opens_in_its_context(key: bytes, context: str) -> None:
    sealed = BOX.seal(key, context=context)

    assert BOX.open(sealed.ciphertext, key_id=sealed.key_id, context=context) == key


@given(st.data())
def test_a_key_with_any_bit_changed_does_not_open(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(SEALED.ciphertext) * 8 - 1))
    changed = bytearray(SEALED.ciphertext)
    changed[place // 8] ^= 1 << place % 8

    with pytest.raises(SealError):
        BOX.open(bytes(changed), key_id=SEALED.key_id, context="acct_1")


@given(st.integers(0, len(SEALED.ciphertext) - 1))
def test_a_truncated_ciphertext_does_not_open(length: int) -> None:
    with pytest.raises(SealError):
        BOX.open(SEALED.ciphertext[:length], key_id=SEALED.key_id, context="acct_1")


def test_the_key_of_one_account_does_not_open_for_another() -> None:
    with pytest.raises(SealError, match="belongs to another account"):
        BOX.open(SEALED.ciphertext, key_id=SEALED.key_id, context="acct_2")


def test_the_newest_secret_seals_and_a_retired_one_still_opens() -> None:
    before = AccountKeyBox(oldest_of(SECRETS)).seal(b"old", context="acct_1")

    assert (before.key_id, SEALED.key_id) == ("provisioner-0", "provisioner-1")
    assert BOX.open(before.ciphertext, key_id=before.key_id, context="acct_1") == b"old"


def test_an_unknown_secret_is_named() -> None:
    with pytest.raises(SealError, match="'gone'"):
        BOX.open(SEALED.ciphertext, key_id="gone", context="acct_1")


def test_another_secret_does_not_open_the_key() -> None:
    with pytest.raises(SealError):
        BOX.open(SEALED.ciphertext, key_id="provisioner-0", context="acct_1")


def test_no_secret_is_shown() -> None:
    assert "2222" not in f"{BOX!r}{SEALED!r}{SECRETS!r}"
