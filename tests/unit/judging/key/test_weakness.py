"""Deliberately weak keys, one for each check that a key of an accepted type and size can fail."""

import random
from typing import Final

import pytest
from badkeys.checks import defaultchecks  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from gmpy2 import is_prime, next_prime  # type: ignore[import-untyped]

from shared.judging.key.weakness import CHECKS, private_weaknesses, warm_up, weaknesses

_RANDOM: Final = random.Random(7)
_TOP: Final = 3 << 1022  # a product of two such numbers has 2048 bits

# The product of the primes from 3 to 167, from which Infineon's chips made their primes (CVE-2017-15361).
_PRIMORIAL: Final = 0x924CBA6AE99DFA084537FACC54948DF0C23DA044D8CABE0EDD75BC6


def prime() -> int:
    return int(next_prime(_TOP | _RANDOM.getrandbits(1000)))


def infineon() -> int:
    """Return a prime of the form that the chips made: k * M + (65537^a mod M)."""
    while True:
        exponent, factor = _RANDOM.getrandbits(60), _TOP // _PRIMORIAL + _RANDOM.getrandbits(700)
        candidate = factor * _PRIMORIAL + pow(65537, exponent, _PRIMORIAL)
        if is_prime(candidate):
            return candidate


def polynomial() -> int:
    """Return a modulus that has random bits only in the lowest 16 of each 128 bits, except for its top bit."""
    while True:
        chunks = [_RANDOM.getrandbits(16) | 1 for _ in range(16)]
        candidate = 1 << 2047 | sum(chunk << 128 * index for index, chunk in enumerate(chunks))
        if all(candidate % small for small in range(2, 65538)):
            return candidate


def found(modulus: int) -> list[str]:
    key = rsa.RSAPublicNumbers(65537, modulus).public_key()
    return [finding.message for finding in weaknesses(key, what="certificate 1", where="certificate 1")]


_CLOSE: Final = prime()


@pytest.mark.parametrize(
    ("modulus", "check"),
    [
        pytest.param(_CLOSE * int(next_prime(_CLOSE + (1 << 500))), "fermat", id="fermat"),
        pytest.param(infineon() * infineon(), "roca", id="roca"),
        pytest.param(polynomial(), "rsapoly", id="rsapoly"),
        pytest.param(65521 * int(next_prime(3 << 2030)), "smallfactors", id="smallfactors"),
    ],
)
def test_a_weak_modulus_is_reported_with_its_weakness(modulus: int, check: str) -> None:
    messages = found(modulus)

    assert len(messages) == 1
    assert CHECKS[check] in messages[0]


def test_a_good_key_has_no_weakness() -> None:
    warm_up()

    assert found(prime() * prime()) == []
    assert weaknesses(ec.generate_private_key(ec.SECP256R1()).public_key(), what="", where="") == []
    assert weaknesses(ed25519.Ed25519PrivateKey.generate().public_key(), what="", where="") == []


@pytest.mark.parametrize(("number", "is_weak"), [(1, True), ((1 << 128) - 1, True), (1 << 128, False)])
def test_an_ecdsa_key_is_weak_below_128_bits(number: int, is_weak: bool) -> None:  # noqa: FBT001 - a table's cell
    key = ec.derive_private_key(number, ec.SECP256R1())

    assert bool(private_weaknesses(key, what="the key", where="key")) == is_weak


def test_only_checks_that_need_a_download_or_are_for_dsa_are_left_out() -> None:
    """A new check of badkeys must be added to `CHECKS`, or left out here with a reason."""
    assert set(defaultchecks) - set(CHECKS) == {"blocklist", "dsasparse"}
