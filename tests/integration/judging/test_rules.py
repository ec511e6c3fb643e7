"""An upload that breaks one rule alone is reported for that rule alone."""

from collections.abc import Callable
from typing import Final

import pytest

from shared.judging.catalogue import RULES
from tests.builders.judging.breaking import bundle, chain, key, leaf, pem
from tests.builders.judging.upload import Breaches, Upload, good

pytestmark = pytest.mark.filterwarnings("ignore")  # `judge` suppresses cryptography's warnings

TABLES: Final[tuple[Breaches, ...]] = (
    pem.BREACHES,
    bundle.BREACHES,
    key.BREACHES,
    leaf.BREACHES,
    chain.BREACHES,
)
# The safety nets below all other rules: no upload is known that breaks them.
NETS: Final = {"load_failed", "not_judged"}
# Rules for chains to a public root: see test_public_trust.
ELSEWHERE: Final = {"no_scts"}
# Rules that cannot be broken without breaking others.
COMPANY: Final = {
    "bundle_no_certificate": {"bundle_foreign_block"},
    "chain_no_subject": {"leaf_no_issuer"},
    "chain_not_version_3": {"chain_not_an_authority"},  # before version 3 there were no extensions
}
WARNINGS: Final = {rule.code for rule in RULES if rule.is_warning}


def breaches(*, are_warnings: bool) -> list[object]:
    """Return the cases for reasons, or for warnings."""
    return [
        pytest.param(code, upload, id=f"{code}-{how}")
        for table in TABLES
        for code, uploads in table.items()
        for how, upload in uploads.items()
        if (code in WARNINGS) == are_warnings
    ]


def test_the_good_upload_has_no_findings() -> None:
    judgement = good().judged()

    assert (judgement.reasons, judgement.warnings) == ((), ())


def test_every_rule_has_an_upload_that_breaks_it() -> None:
    broken = {code for table in TABLES for code in table}

    assert broken | NETS | ELSEWHERE == {rule.code for rule in RULES}
    assert not broken & (NETS | ELSEWHERE)


@pytest.mark.parametrize(("code", "upload"), breaches(are_warnings=False))
def test_a_rule_broken_alone_is_the_only_reason(code: str, upload: Callable[[], Upload]) -> None:
    reasons = upload().judged().reasons

    assert {reason.code for reason in reasons} == {code} | COMPANY.get(code, set())


@pytest.mark.parametrize(("code", "upload"), breaches(are_warnings=True))
def test_a_warning_comes_alone_and_does_not_refuse_the_upload(code: str, upload: Callable[[], Upload]) -> None:
    judgement = upload().judged()

    assert {warning.code for warning in judgement.warnings} == {code}
    assert judgement.reasons == ()
