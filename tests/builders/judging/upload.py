"""Uploads to judge: a good one without any finding, and others that differ from it in one respect."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeAlias

from cryptography import x509

from shared.judging import Judgement, judge
from shared.names import Name
from tests.builders.judging.certificates import AT, HOST, Issued, authority, bundle, ec_key, issue

ROOT: Final = authority("Shop Root")
ISSUER: Final = authority("Shop Issuing CA", by=ROOT, path_length=0)
LEAF_KEY: Final = ec_key(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A bundle and a key, with the domain, roots and time for judging them."""

    bundle: bytes
    key: bytes = field(repr=False)
    domain: str | None = HOST
    trust: Sequence[x509.Certificate] | None = None
    at: datetime = AT

    def judged(self) -> Judgement:
        """Return the judgement on the upload."""
        domain = None if self.domain is None else Name(self.domain)
        return judge(self.bundle, self.key, at=self.at, domain=domain, trust=self.trust)


# Uploads that break one rule, by the rule's code and a description of the fault.
Breaches: TypeAlias = Mapping[str, Mapping[str, Callable[[], Upload]]]


@cache
def good() -> Upload:
    """Return an upload without any finding: an ECDSA leaf, the intermediate that signed it, and its key."""
    leaf = issue(by=ISSUER, key=LEAF_KEY)
    return Upload(bundle=bundle(leaf, ISSUER), key=leaf.key_pem)


def with_bundle(pem: bytes) -> Upload:
    """Return the good upload with another bundle."""
    return replace(good(), bundle=pem)


def with_key(pem: bytes) -> Upload:
    """Return the good upload with another key."""
    return replace(good(), key=pem)


def with_chain(*chain: Issued, **more: Any) -> Upload:
    """Return the good upload with *chain* as its bundle, and *more* of its fields replaced."""
    return replace(good(), bundle=bundle(*chain), **more)


def with_leaf(*, by: Issued = ISSUER, **parts: Any) -> Upload:
    """Return the good upload with another leaf; *parts* are arguments of `certificates.issue`."""
    return with_chain(issue(by=by, key=LEAF_KEY, **parts), by)
