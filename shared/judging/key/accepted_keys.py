"""The closed list of accepted key types and sizes: for the private key, the leaf's key and the issuers' keys."""

from dataclasses import dataclass
from typing import Final

from shared.judging.key.kinds import EXPLICIT, KeyKind
from shared.judging.model import Finding, Rule

MIN_RSA_BITS: Final = 2048  # CABF BR section 6.1.5
MAX_RSA_BITS: Final = 4096  # with 8192 bits, a handshake costs the server 20 ms of CPU or more
MAX_ISSUER_RSA_BITS: Final = 8192  # Go's clients abort the handshake at a larger key in the chain
MIN_EXPONENT: Final = 3  # CABF BR section 6.1.6
MAX_EXPONENT: Final = (1 << 31) - 1  # Go's clients accept no larger exponent
_USUAL_EXPONENT: Final = 65537  # CABF BR section 6.1.6: SHOULD be at least 2^16 + 1
_RECOMMENDED_RSA_BITS: Final = 3072
_CURVES: Final = frozenset({"P-256", "P-384", "P-521"})  # CABF BR section 6.1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRules:
    """The rules for the type and size of one key: the private key, or the leaf's key."""

    type: Rule
    size: Rule
    exponent: Rule

    def check(self, kind: KeyKind, *, what: str, where: str) -> list[Finding]:
        """Return the reasons to reject *what*, a key of *kind* or a certificate with such a key."""
        flaws = [(self.type, _wrong_type(kind))]
        if kind.algorithm == "RSA":
            flaws = [(self.size, _wrong_size(kind.bits, MAX_RSA_BITS)), (self.exponent, _wrong_exponent(kind.exponent))]
        return [rule.found(f"{what} is not accepted: {flaw}", where=where) for rule, flaw in flaws if flaw]


def _key_rules(prefix: str, subject: str) -> KeyRules:
    return KeyRules(
        type=Rule(
            code=f"{prefix}_type",
            source="CABF BR section 6.1.5, RFC 8446 section 4.2.3",
            summary=f"{subject} is RSA, ECDSA on P-256, P-384 or P-521, or Ed25519",
        ),
        size=Rule(
            code=f"{prefix}_size",
            source="CABF BR section 6.1.5, product rule",
            summary=f"if RSA, {subject} has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, a multiple of 8",
        ),
        exponent=Rule(
            code=f"{prefix}_exponent",
            source="CABF BR section 6.1.6, product rule",
            summary=f"if RSA, {subject} has an odd public exponent from {MIN_EXPONENT} to 2^31 - 1",
        ),
    )


PRIVATE_KEY: Final = _key_rules("key", "the private key")
LEAF_KEY: Final = _key_rules("leaf_key", "the leaf's key")

RSA_2048: Final = Rule(
    code="rsa_2048",
    source="NIST SP 800-57 part 1 section 5.6.3, BSI TR-02102-1 section 2.3",
    summary=f"a new certificate has an ECDSA key, or an RSA key of at least {_RECOMMENDED_RSA_BITS} bits",
    is_warning=True,
)
SMALL_EXPONENT: Final = Rule(
    code="rsa_small_exponent",
    source="CABF BR section 6.1.6",
    summary=f"the public exponent of an RSA key is at least {_USUAL_EXPONENT}",
    is_warning=True,
)
RULES: Final = (
    *(rule for rules in (PRIVATE_KEY, LEAF_KEY) for rule in (rules.type, rules.size, rules.exponent)),
    RSA_2048,
    SMALL_EXPONENT,
)


def warnings_of(kind: KeyKind, *, what: str, where: str) -> list[Finding]:
    """Return the warnings about *what*, a certificate with a key of *kind*, which is accepted."""
    found = []
    if kind.algorithm == "RSA" and kind.bits < _RECOMMENDED_RSA_BITS:
        message = f"{what} has an {kind} key, recommended only until 2030; use ECDSA P-256 for the next certificate"
        found.append(RSA_2048.found(message, where=where))
    if kind.algorithm == "RSA" and kind.exponent < _USUAL_EXPONENT:
        message = f"{what} has the RSA public exponent {kind.exponent}; use {_USUAL_EXPONENT} for the next key"
        found.append(SMALL_EXPONENT.found(message, where=where))
    return found


def issuer_flaw(kind: KeyKind) -> str | None:
    """Return why an issuer may not have a key of *kind*, None if it may. An issuer's RSA key may be larger."""
    if kind.algorithm != "RSA":
        return _wrong_type(kind)
    return _wrong_size(kind.bits, MAX_ISSUER_RSA_BITS) or _wrong_exponent(kind.exponent)


def _wrong_type(kind: KeyKind) -> str | None:
    if kind.algorithm == "RSA-PSS":
        return "its RSA key is for PSS only (id-RSASSA-PSS), which browsers do not accept; use a plain RSA key"
    if kind.curve == EXPLICIT:
        return "its key spells out the parameters of its curve, which RFC 5480 forbids; use a named curve"
    if kind.algorithm in {"RSA", "Ed25519"} or kind.curve in _CURVES:
        return None
    return f"its key is {kind}; RSA, ECDSA on P-256, P-384 or P-521, or Ed25519 is expected"


def _wrong_size(bits: int, largest: int) -> str | None:
    if not MIN_RSA_BITS <= bits <= largest:
        return f"its RSA modulus has {bits:,} bits; {MIN_RSA_BITS:,} to {largest:,} are accepted"
    if bits % 8:
        return f"its RSA modulus has {bits:,} bits; a multiple of 8 is expected"
    return None


def _wrong_exponent(exponent: int) -> str | None:
    if exponent > MAX_EXPONENT:
        return "its RSA public exponent is larger than 2^31 - 1, which some clients refuse; use 65537"
    if exponent < MIN_EXPONENT or exponent % 2 == 0:
        return (
            f"its RSA public exponent is {exponent}; an odd number of at least {MIN_EXPONENT} is expected, best 65537"
        )
    return None
