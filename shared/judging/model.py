"""The values that make up a judgement: rules, findings, and the judgement itself."""

from dataclasses import dataclass, field
from datetime import datetime

from shared.certificates import CertificateFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A requirement on an upload, defined next to the code that checks it; `docs/validation.md` lists all rules.

    *code* is stable: programs rely on it. *source* is where the requirement comes from: a section of an RFC or of the
    CA/Browser Forum's Baseline Requirements, or "product rule". *summary* says what a good upload is like.
    """

    code: str
    source: str
    summary: str
    is_warning: bool = False

    def found(self, message: str, *, where: str) -> "Finding":
        """Return the finding that *where* breaks this rule; *message* says what is wrong there and what to do."""
        return Finding(rule=self, message=message, where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that an upload breaks: a reason to reject it, or a warning.

    *where* is the location of the fault, counted from 1: `bundle`, `block 3 (line 57)`, `certificate 1 (line 1)`,
    `key`, `key, block 1 (line 1)`. The *message* is a complete sentence without *where*.
    """

    rule: Rule
    message: str
    where: str

    @property
    def code(self) -> str:
        """The rule's stable code."""
        return self.rule.code


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSummary:
    """One certificate of the bundle, as shown to people; the leaf is number 1."""

    number: int
    subject: str  # distinguished names (RFC 4514)
    issuer: str
    not_before: datetime
    not_after: datetime
    key: str  # 'ECDSA P-256', 'RSA 2048', 'Ed25519', …
    is_self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The findings about a bundle and a key. Both are accepted if no finding is a reason to reject them."""

    reasons: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    certificates: tuple[CertificateSummary, ...] = ()  # the readable certificates
    publicly_trusted: bool = False
    """Whether the chain leads to a root that browsers trust, without a flaw."""
    trust_anchor: str | None = None
    """The root to which the chain leads: one of those given, a public one, or the bundle's own."""
    chain: tuple[bytes, ...] = field(default=(), repr=False)  # DER, leaf first
    facts: CertificateFacts | None = None  # of the leaf, if it is readable
    private_key: bytes | None = field(default=None, repr=False)  # PKCS #8 DER, encoded again; only if accepted

    @property
    def is_accepted(self) -> bool:
        """Whether there is no reason to reject the upload."""
        return not self.reasons
