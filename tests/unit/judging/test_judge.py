"""The judgement as a whole: which uploads are accepted, and which reasons are reported or left out."""

import subprocess
import sys
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from cryptography.x509 import load_der_x509_certificate
from gmpy2 import next_prime  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from shared.certificates import parse
from shared.errors import PermanentError
from shared.judging import Judgement, judge, read_trust
from shared.judging.key.loading import load_failure, oversize
from tests.builders.judging import der, minting
from tests.builders.judging.minting import AT, LEAF_KEY

_LEAF: Final = minting.leaf()
_ISSUER: Final = minting.authority()
_CHAIN: Final = _LEAF + _ISSUER


def judged(bundle: str, key: str = LEAF_KEY) -> Judgement:
    return judge(bundle.encode(), key.encode(), at=AT)


def codes(bundle: str, key: str = LEAF_KEY) -> list[str]:
    return [reason.code for reason in judged(bundle, key).reasons]


def test_a_good_upload_is_returned_encoded_again() -> None:
    judgement = judged("# the shop's\r\n" + _CHAIN.replace("\n", "\r\n"))

    assert judgement.is_accepted
    assert [load_der_x509_certificate(each).public_bytes(Encoding.PEM).decode() for each in judgement.chain] == [
        _LEAF,
        _ISSUER,
    ]
    assert judgement.facts == parse(judgement.chain[0])
    assert judgement.private_key is not None
    assert minting.key_pem(load_der_private_key(judgement.private_key, None)) == LEAF_KEY  # type: ignore[arg-type] # it is an EC key


def test_links_are_in_the_order_of_the_bundle() -> None:
    certificates = judged(_CHAIN).certificates

    assert [(each.number, each.subject, each.issuer, each.key, each.is_self_signed) for each in certificates] == [
        (1, "CN=shop.example.com", "CN=issuing", "ECDSA P-256", False),
        (2, "CN=issuing", "CN=root", "ECDSA P-256", False),
    ]


def test_a_refused_upload_returns_no_key() -> None:
    judgement = judge(_CHAIN.encode(), LEAF_KEY.encode(), at=AT.replace(year=2030))

    assert not judgement.is_accepted
    assert judgement.private_key is None


def test_all_reasons_are_collected() -> None:
    bundle = LEAF_KEY + _LEAF + _ISSUER + "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"
    judgement = judge(bundle.encode(), minting.key_pem(minting.CA).encode(), at=AT.replace(year=2030))

    assert {reason.code for reason in judgement.reasons} == {
        "bundle_private_key",
        "bundle_foreign_block",
        "leaf_expired",
        "chain_expired",
        "key_mismatch",
    }


@pytest.mark.parametrize(
    ("bundle", "key", "expected"),
    [
        pytest.param("", "", ["bundle_empty", "key_empty"], id="nothing"),
        pytest.param(
            LEAF_KEY,
            _LEAF,
            ["bundle_private_key", "bundle_no_certificate", "key_is_certificate"],
            id="swapped",
        ),
        pytest.param(_LEAF, _LEAF, ["key_is_certificate"], id="the certificate twice"),
        pytest.param(_LEAF[:300] + "\n" + _ISSUER, LEAF_KEY, ["bundle_truncated_block"], id="half a leaf"),
        pytest.param(_LEAF + _ISSUER[:300], LEAF_KEY, ["bundle_truncated_block"], id="half an issuer"),
        pytest.param(_CHAIN, LEAF_KEY[:100], ["key_truncated_block"], id="half a key"),
        pytest.param(
            _LEAF,
            minting.key_pem(minting.CA) + _LEAF,
            ["key_foreign_block", "key_mismatch"],
            id="another key and more",
        ),
        pytest.param(_LEAF * 17, LEAF_KEY, ["bundle_too_many_certificates"], id="17"),
        pytest.param(_LEAF + _CHAIN, LEAF_KEY, ["bundle_duplicate_certificate"], id="the leaf twice"),
        pytest.param(
            _CHAIN.replace(" CERTIFICATE-", " X509 CERTIFICATE-", 2), LEAF_KEY, ["bundle_old_label"], id="an old label"
        ),
        pytest.param(
            LEAF_KEY.replace("PRIVATE KEY", "CERTIFICATE"), LEAF_KEY, ["bundle_private_key"], id="a key's content"
        ),
        pytest.param(
            LEAF_KEY[28:] + _CHAIN, LEAF_KEY, ["bundle_truncated_block", "bundle_private_key"], id="the end of a key"
        ),
        pytest.param(
            " " + LEAF_KEY + _CHAIN, LEAF_KEY, ["bundle_broken_boundary", "bundle_private_key"], id="indented"
        ),
    ],
)
def test_only_faults_that_can_be_seen_are_reported(bundle: str, key: str, expected: list[str]) -> None:
    assert codes(bundle, key) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop..example.com", "leaf_bad_name"),
        ("https://shop.example.com", "leaf_bad_name"),
        ("shop.*.example.com", "leaf_bad_wildcard"),
        ("*", "leaf_bad_wildcard"),
    ],
)
def test_a_bad_name_does_not_make_a_bundle_unreadable(name: str, expected: str) -> None:
    assert codes(minting.leaf(names=[name]) + _ISSUER) == [expected, "leaf_no_usable_name"]


def test_a_key_of_another_certificate_in_the_bundle_is_reported_with_that_certificate() -> None:
    messages = [reason.message for reason in judged(_CHAIN, minting.key_pem(minting.CA)).reasons]

    assert len(messages) == 1
    assert "the key belongs to certificate 2 (line 12)" in messages[0]


def test_a_key_of_another_kind_is_reported_with_both_kinds() -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    text = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    assert "the key is Ed25519, but certificate 1" in judged(_LEAF, text).reasons[0].message


# A prime of 1024 bits; the tests derive RSA keys from it as broken generators make them.
_PRIME: Final = rsa.generate_private_key(65537, 2048).private_numbers().p


@pytest.mark.parametrize(
    ("p", "q", "why"),
    [
        (_PRIME, int(next_prime(_PRIME + (1 << 400))), "Fermat"),
        (65521, int(next_prime(3 << 2030)), "small factor"),
    ],
    ids=["primes close together", "a small factor"],
)
def test_a_weak_key_is_refused_with_its_weakness(p: int, q: int, why: str) -> None:
    bundle, key = minting.rsa_from_primes(p, q)

    weak = [reason for reason in judged(bundle, key).reasons if reason.code == "key_weak"]
    assert [reason.where for reason in weak] == ["certificate 1 (line 1)"]
    assert why in weak[0].message


def test_a_weak_key_that_does_not_match_the_leaf_is_still_reported_as_weak() -> None:
    _, key = minting.rsa_from_primes(_PRIME, int(next_prime(_PRIME + (1 << 400))))

    assert codes(_LEAF, key) == ["key_mismatch", "key_weak"]


def test_an_ecdsa_key_with_a_guessable_number_is_weak() -> None:
    assert codes(_LEAF, minting.key_pem(ec.derive_private_key(1001, ec.SECP256R1()))) == ["key_mismatch", "key_weak"]


@pytest.mark.parametrize("exponent", [1, 65536, 1 << 40 | 1])
def test_a_leaf_with_a_wrong_exponent_is_refused(exponent: int) -> None:
    modulus = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n

    assert "leaf_key_exponent" in codes(minting.plain(der.rsa_public_key(modulus, exponent)))


def test_a_compressed_point_is_refused() -> None:
    spki = minting.spki()
    compressed = spki[:1] + bytes([spki[1] - 32]) + spki[2:24] + bytes([spki[24] - 32]) + b"\0\2" + spki[27:59]

    assert "leaf_key_type" in codes(minting.plain(compressed))


def test_a_point_that_is_not_on_its_curve_is_unreadable() -> None:
    spki = minting.spki()

    assert codes(minting.plain(spki[:-1] + bytes([spki[-1] ^ 1]))) == ["certificate_unreadable"]


def test_a_chain_larger_than_clients_accept_is_refused() -> None:
    assert oversize([bytes(51_197), bytes(51_197)]) is None
    assert oversize([bytes(51_197), bytes(51_198)]) is not None


def test_a_pair_that_openssl_does_not_load_is_refused() -> None:
    chain = judged(_CHAIN).chain
    failure = load_failure(chain, minting.CA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

    assert failure is not None
    assert "mismatch" in failure.message


def test_malformed_texts_are_rejected_without_an_error() -> None:
    surprises = [b"-----BEGIN CERTIFICATE-----\nMIAAAA==\n-----END CERTIFICATE-----", bytes(10), b"\xff" * 1000]

    for text in surprises:
        assert not judge(text, text, at=AT).is_accepted


class _Surprise(bytes):
    """A text that makes a library fail in an unforeseen way."""

    error: BaseException

    def count(self, *_: object) -> int:
        raise self.error


def surprised(error: BaseException) -> Judgement:
    text = _Surprise(_CHAIN.encode())
    text.error = error
    return judge(text, LEAF_KEY.encode(), at=AT)


_Panic: Final = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})  # as Rust code panics


@pytest.mark.parametrize("error", [RuntimeError("0xsecret"), MemoryError(), _Panic("0xsecret")], ids=repr)
def test_an_unforeseen_failure_is_a_reason_that_shows_no_detail(error: BaseException) -> None:
    judgement = surprised(error)

    assert [reason.code for reason in judgement.reasons] == ["not_judged"]
    assert "secret" not in judgement.reasons[0].message


def test_a_keyboard_interrupt_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        surprised(KeyboardInterrupt())


def test_importing_the_rules_does_not_load_the_tables_of_weak_keys() -> None:
    script = "import sys, shared.judging; sys.exit('badkeys' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_roots_are_read_with_text_around_them() -> None:
    roots = read_trust(("Shop's root\n" + _ISSUER).encode() * 2)

    assert [root.public_bytes(Encoding.PEM).decode() for root in roots] == [_ISSUER] * 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        (LEAF_KEY, "block 1 .line 1. of the file is PRIVATE KEY; only certificates are accepted"),
        (_ISSUER[:200], "is truncated"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "cannot be read"),
    ],
    ids=["nothing", "a key", "half a root", "no certificate"],
)
def test_a_file_of_roots_with_other_content_is_refused(text: str, why: str) -> None:
    with pytest.raises(PermanentError, match=why):
        read_trust(text.encode())


@given(
    bundle=st.lists(st.sampled_from([_LEAF, _ISSUER, LEAF_KEY, _LEAF[:200], "text\n", "\0", "-----END"])),
    key=st.lists(st.sampled_from([LEAF_KEY, _LEAF, LEAF_KEY[:90], "# mine\n", "\0"])),
)
def test_only_a_bundle_with_the_leaf_first_and_its_key_alone_are_accepted(bundle: list[str], key: list[str]) -> None:
    judgement = judged("".join(bundle), "".join(key))

    certificates = [text for text in bundle if text != "text\n"]
    is_good = certificates in ([_LEAF], [_LEAF, _ISSUER])
    assert judgement.is_accepted == (is_good and [text for text in key if text != "# mine\n"] == [LEAF_KEY])
    assert "not_judged" not in {reason.code for reason in judgement.reasons}
