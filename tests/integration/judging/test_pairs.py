"""A good key in any format with any kind of good certificate for it is accepted; a key of another certificate is not.

RSA keys of 3072 and 4096 bits are tried in all formats and with all bundles, but not in all pairs of the two, and the
keys made by the other tool in all formats only: all pairs would be three thousand judgements more.
"""

from datetime import timedelta
from functools import cache
from itertools import permutations

import pytest
from cryptography import x509

from shared.judging import Judgement, judge
from shared.names import Name
from tests.builders.judging.bundles import BUNDLES
from tests.builders.judging.certificates import HOST
from tests.builders.judging.keys import FORMS, KEYS, Kind

PLAIN_FORM = "pkcs8 by cryptography"
PLAIN_BUNDLE = "under an intermediate"
SLOW = [Kind.RSA_3072, Kind.RSA_4096]
PAIRED = [kind for kind in Kind if kind not in SLOW]


@cache
def key_of(tool: str, kind: Kind, form: str) -> bytes:
    return FORMS[kind][form](KEYS[tool](kind))


@cache
def bundle_of(tool: str, kind: Kind, bundle: str) -> bytes:
    return BUNDLES[bundle](KEYS[tool](kind))


def judged(bundle: bytes, key: bytes) -> Judgement:
    """Return the judgement a day after the leaf's validity begins; `openssl` issues leaves from now on."""
    made_at = x509.load_pem_x509_certificate(bundle).not_valid_before_utc
    return judge(bundle, key, at=made_at + timedelta(days=1), domain=Name(HOST))


def codes(judgement: Judgement) -> list[tuple[str, str]]:
    return [(reason.code, reason.where) for reason in judgement.reasons]


def refused(tool: str, kind: Kind, *, forms: list[str], bundles: list[str]) -> dict[tuple[str, str], object]:
    """Return the pairs of *forms* and *bundles* of one key that are refused, with the reasons."""
    judgements = {
        (form, bundle): judged(bundle_of(tool, kind, bundle), key_of(tool, kind, form))
        for form in forms
        for bundle in bundles
    }
    return {pair: codes(judgement) for pair, judgement in judgements.items() if not judgement.is_accepted}


@pytest.mark.parametrize("kind", PAIRED)
@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_format_of_a_key_is_accepted_with_every_bundle(kind: Kind, bundle: str) -> None:
    assert refused("openssl", kind, forms=list(FORMS[kind]), bundles=[bundle]) == {}


@pytest.mark.parametrize("tool", KEYS)
@pytest.mark.parametrize("kind", Kind)
def test_every_format_of_every_key_is_accepted(tool: str, kind: Kind) -> None:
    assert refused(tool, kind, forms=list(FORMS[kind]), bundles=[PLAIN_BUNDLE]) == {}


@pytest.mark.parametrize("kind", SLOW)
def test_every_bundle_is_accepted_for_every_key(kind: Kind) -> None:
    assert refused("openssl", kind, forms=[PLAIN_FORM], bundles=list(BUNDLES)) == {}


@pytest.mark.parametrize("kind", Kind)
def test_a_key_is_returned_the_same_whatever_its_format_was(kind: Kind) -> None:
    bundle = bundle_of("openssl", kind, PLAIN_BUNDLE)

    returned = {judged(bundle, key_of("openssl", kind, form)).private_key for form in FORMS[kind]}

    assert len(returned) == 1
    assert None not in returned


@pytest.mark.parametrize(("of_certificate", "of_key"), list(permutations(Kind, 2)))
def test_a_key_of_another_kind_is_a_mismatch(of_certificate: Kind, of_key: Kind) -> None:
    judgement = judged(bundle_of("openssl", of_certificate, PLAIN_BUNDLE), key_of("openssl", of_key, PLAIN_FORM))

    assert codes(judgement) == [("key_mismatch", "key")]


@pytest.mark.parametrize("kind", Kind)
def test_another_key_of_the_same_kind_is_a_mismatch(kind: Kind) -> None:
    judgement = judged(bundle_of("openssl", kind, PLAIN_BUNDLE), key_of("cryptography", kind, PLAIN_FORM))

    assert codes(judgement) == [("key_mismatch", "key")]
