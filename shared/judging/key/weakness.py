"""Find keys that other people can know: those made by a broken generator, or breakable by a known method.

The methods are those of the library badkeys. This module runs the checks that need no download, all of them on the
public key. It does not use badkeys' block list (Debian's weak keys, keys found in firmware and in public repositories),
which must be downloaded.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.judging.model import Finding, Rule

WEAK: Final = Rule(
    code="key_weak",
    source="CABF BR section 6.1.1.3",
    summary="other people cannot know or compute the private key",
)
RULES: Final = (WEAK,)

# badkeys' name of each check, and the fault that it finds.
CHECKS: Final[Mapping[str, str]] = {
    "fermat": "its two primes are so close together that Fermat's method finds them",
    "roca": "it was made by a chip with the ROCA flaw (CVE-2017-15361)",
    "rsainvalid": "its numbers cannot form an RSA key",
    "rsapoly": "its modulus shows the pattern of a broken generator and can be factored",
    "sharedprimes": "it shares a prime with a publicly known key",
    "smalld": "its private exponent is so small that Wiener's method finds it",
    "smallfactors": "its modulus has a small factor",
}
_MIN_SCALAR_BITS: Final = 128  # of the random numbers for P-256, one in 2^128 is this small

_Check = Callable[..., object]


def weaknesses(key: rsa.RSAPublicKey | object, *, what: str, where: str) -> list[Finding]:
    """Return the weaknesses of the public *key*, in under a millisecond. The first call also loads tables."""
    if not isinstance(key, rsa.RSAPublicKey):
        return []
    numbers = key.public_numbers()
    return [
        _found(why, what, where) for name, why in CHECKS.items() if _checks()[name](numbers.n, e=numbers.e) is not False
    ]


def private_weaknesses(key: object, *, what: str, where: str) -> list[Finding]:
    """Return the weaknesses of the private *key* that its public half does not show."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and not key.private_numbers().private_value >> _MIN_SCALAR_BITS:
        return [_found("its private number is so small that it can be guessed", what, where)]
    return []


def warm_up() -> None:
    """Load the tables now, so that the first upload does not wait for them."""
    for bits in (2048, 4096):
        for check in _checks().values():
            check((1 << bits - 1) + 1, e=65537)


def _found(why: str, what: str, where: str) -> Finding:
    message = f"{what} has a weak key: {why}; make a new key and have the certificate reissued"
    return WEAK.found(message, where=where)


@cache
def _checks() -> Mapping[str, _Check]:
    from badkeys import rsakeys  # type: ignore[import-untyped] # noqa: PLC0415 - takes 30 ms

    return {name: getattr(rsakeys, name) for name in CHECKS}
