"""Keys that somebody else can know: made by broken generators, or breakable with a known method.

badkeys has the methods. Made here are those of its checks that need no download, all on the public key; its block list
(Debian's weak keys, keys found in firmware and in public repositories) must be downloaded, and is not asked.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.judging.model import Finding, Rule

WEAK: Final = Rule(
    code="key_weak",
    source="CABF BR section 6.1.1.3",
    summary="the key is not one that others can know or compute",
)
RULES: Final = (WEAK,)

# The checks, by badkeys' names, and what they find.
CHECKS: Final[Mapping[str, str]] = {
    "fermat": "its two primes are so close together that Fermat's method finds them",
    "roca": "it was made by a chip with the ROCA flaw (CVE-2017-15361)",
    "rsainvalid": "its numbers cannot be those of an RSA key",
    "rsapoly": "its modulus shows the pattern of a broken generator, and can be factored",
    "sharedprimes": "it shares a prime with a key that is public",
    "smalld": "its private exponent is so small that Wiener's method finds it",
    "smallfactors": "its modulus has a small factor",
}
_MIN_SCALAR_BITS: Final = 128  # of P-256's random numbers, one in 2^128 has no more

_Check = Callable[..., object]


def weaknesses(key: rsa.RSAPublicKey | object, *, what: str, where: str) -> list[Finding]:
    """Return what makes the public *key* weak; under a millisecond, but for the first call, which loads tables."""
    if not isinstance(key, rsa.RSAPublicKey):
        return []
    numbers = key.public_numbers()
    return [
        _found(why, what, where) for name, why in CHECKS.items() if _checks()[name](numbers.n, e=numbers.e) is not False
    ]


def private_weaknesses(key: object, *, what: str, where: str) -> list[Finding]:
    """Return what makes the private *key* weak that its public half does not show."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and not key.private_numbers().private_value >> _MIN_SCALAR_BITS:
        return [_found("its private number is so small that it can be guessed", what, where)]
    return []


def warm_up() -> None:
    """Load the tables now, so that the first judgement does not wait for them."""
    for bits in (2048, 4096):
        for check in _checks().values():
            check((1 << bits - 1) + 1, e=65537)


def _found(why: str, what: str, where: str) -> Finding:
    message = f"{what} has a key that is known to be weak: {why}; make a new key and have the certificate reissued"
    return WEAK.found(message, where=where)


@cache
def _checks() -> Mapping[str, _Check]:
    from badkeys import rsakeys  # type: ignore[import-untyped] # noqa: PLC0415 - takes 30 ms

    return {name: getattr(rsakeys, name) for name in CHECKS}
