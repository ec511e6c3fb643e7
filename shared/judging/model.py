"""What a judgement is made of; values only."""

from dataclasses import dataclass, field
from datetime import datetime

from shared.certificates import CertificateFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is asked of an upload. It stands beside the code that checks it; `docs/validation.md` lists all of them.

    *code* is stable: programs rely on it. *source* says who asks: a section of an RFC or of the CA/Browser Forum's
    Baseline Requirements, or "product rule".
    """

    code: str
    source: str
    summary: str
    is_warning: bool = False

    def found(self, message: str, *, where: str) -> "Finding":
        """Return that *where* goes against this rule; *message* says what is wrong there and what to do."""
        return Finding(rule=self, message=message, where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that an upload goes against: a reason to reject it, or a warning.

    *where* names the object at fault as people count it: `bundle`, `block 3 (line 57)`,
    `certificate 1 (line 1)`, `key`, `key, block 1 (line 1)`. The *message* is a whole sentence without it.
    """

    rule: Rule
    message: str
    where: str

    @property
    def code(self) -> str:
        """The rule's stable code."""
        return self.rule.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One certificate of the bundle, in its order, as people see it; the leaf is number 1."""

    number: int
    subject: str  # distinguished names (RFC 4514)
    issuer: str
    not_before: datetime
    not_after: datetime
    key: str  # 'ECDSA P-256', 'RSA 2048', 'Ed25519', …
    is_self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was found about a bundle and a key; it is accepted when there is no reason against it."""

    reasons: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    links: tuple[Link, ...] = ()  # of what could be read
    publicly_trusted: bool = False
    """Whether the chain leads to a root that browsers trust, without a flaw."""
    trust_anchor: str | None = None
    """The root to which the chain leads: one of those given, a public one, or the bundle's own."""
    chain: tuple[bytes, ...] = field(default=(), repr=False)  # DER, encoded anew, leaf first
    facts: CertificateFacts | None = None  # of the leaf, if it could be read
    private_key: bytes | None = field(default=None, repr=False)  # PKCS #8 DER, encoded anew; only when accepted

    @property
    def is_accepted(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons
