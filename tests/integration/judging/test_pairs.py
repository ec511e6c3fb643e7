"""Every pair of a good key, in whatever form, and a good certificate, of whatever kind, is accepted; no other is.

Keys of RSA with 3072 and 4096 bits go through all forms and through all bundles, but not through all pairs of them, and
those of the other tool through all forms: every pair would be three thousand judgements more.
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
    """Return the judgement a day after the leaf was made; `openssl` makes it now."""
    made_at = x509.load_pem_x509_certificate(bundle).not_valid_before_utc
    return judge(bundle, key, at=made_at + timedelta(days=1), domain=Name(HOST))


def codes(judgement: Judgement) -> list[tuple[str, str]]:
    return [(reason.code, reason.where) for reason in judgement.reasons]


def refused(tool: str, kind: Kind, *, forms: list[str], bundles: list[str]) -> dict[tuple[str, str], object]:
    """Return those pairs of *forms* and *bundles* of one key that are refused, and why."""
    judgements = {
        (form, bundle): judged(bundle_of(tool, kind, bundle), key_of(tool, kind, form))
        for form in forms
        for bundle in bundles
    }
    return {pair: codes(judgement) for pair, judgement in judgements.items() if not judgement.is_accepted}


@pytest.mark.parametrize("kind", PAIRED)
@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_form_of_a_key_goes_with_every_bundle(kind: Kind, bundle: str) -> None:
    assert refused("openssl", kind, forms=list(FORMS[kind]), bundles=[bundle]) == {}


@pytest.mark.parametrize("tool", KEYS)
@pytest.mark.parametrize("kind", Kind)
def test_every_form_of_every_key_is_taken(tool: str, kind: Kind) -> None:
    assert refused(tool, kind, forms=list(FORMS[kind]), bundles=[PLAIN_BUNDLE]) == {}


@pytest.mark.parametrize("kind", SLOW)
def test_every_bundle_is_taken_for_every_key(kind: Kind) -> None:
    assert refused("openssl", kind, forms=[PLAIN_FORM], bundles=list(BUNDLES)) == {}


@pytest.mark.parametrize("kind", Kind)
def test_whatever_its_form_a_key_is_handed_on_in_one(kind: Kind) -> None:
    bundle = bundle_of("openssl", kind, PLAIN_BUNDLE)

    handed_on = {judged(bundle, key_of("openssl", kind, form)).private_key for form in FORMS[kind]}

    assert len(handed_on) == 1
    assert None not in handed_on


@pytest.mark.parametrize(("of_certificate", "of_key"), list(permutations(Kind, 2)))
def test_the_key_of_another_kind_is_not_the_certificates(of_certificate: Kind, of_key: Kind) -> None:
    judgement = judged(bundle_of("openssl", of_certificate, PLAIN_BUNDLE), key_of("openssl", of_key, PLAIN_FORM))

    assert codes(judgement) == [("key_mismatch", "key")]


@pytest.mark.parametrize("kind", Kind)
def test_another_key_of_the_same_kind_is_not_the_certificates(kind: Kind) -> None:
    judgement = judged(bundle_of("openssl", kind, PLAIN_BUNDLE), key_of("cryptography", kind, PLAIN_FORM))

    assert codes(judgement) == [("key_mismatch", "key")]
