"""The path validation suite x509-limbo, as uploads: every expected verdict, and the reason for each difference."""

import json
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509

from shared.judging import Judgement, judge
from shared.names import Name

Case = dict[str, Any]

_FILE: Final = Path(__file__).parents[2] / "data" / "limbo" / "cases.json"
CASES: Final[dict[str, Case]] = {case["id"]: case for case in json.loads(_FILE.read_text())}

# The cases in which our verdict differs from the suite's. None of them is a `must` or a `should`.
ACCEPTED: Final = {
    "rfc5280::aki::intermediate-missing-aki": "clients find the issuer by its name; a warning reports it",
    "rfc5280::aki::cross-signed-root-missing-aki": "it is the trust anchor, for which RFC 5280 has no such rule",
    "rfc5280::nc::permitted-dns-match-noncritical": "CABF BR allow it, and webpki::nc has the contrary as a must",
    "rfc5280::nc::invalid-dnsname-leading-period": "OpenSSL's manual writes it so, and Go and OpenSSL accept it",
    "rfc5280::pc::ica-noncritical-pc": "policy constraints mean the same without the mark",
    "rfc5280::ski::root-missing-ski": "it is the trust anchor, for which RFC 5280 has no such rule",
    "rfc5280::ski::intermediate-missing-ski": "clients find the issuer by its name; a warning reports it",
    "webpki::aki::root-with-aki-missing-keyidentifier": "it is the trust anchor, for which RFC 5280 has no such rule",
    "webpki::cn::ipv4-hex-mismatch": "no client reads the common name",
    "webpki::cn::ipv4-leading-zeros-mismatch": "no client reads the common name",
    "webpki::cn::ipv6-uppercase-mismatch": "no client reads the common name",
    "webpki::cn::ipv6-uncompressed-mismatch": "no client reads the common name",
    "webpki::cn::ipv6-non-rfc5952-mismatch": "no client reads the common name",
    "webpki::cn::punycode-not-in-san": "no client reads the common name",
    "webpki::cn::utf8-vs-punycode-mismatch": "no client reads the common name",
    "webpki::cn::not-in-san": "no client reads the common name",
    "webpki::cn::case-mismatch": "no client reads the common name",
    "webpki::eku::ee-anyeku": "serverAuth is present, and other purposes do no harm",
    "webpki::eku::ee-critical-eku": "RFC 5280 lets the authority choose",
    "webpki::eku::ee-without-eku": "rfc5280::eku has the contrary as a must: without it, every use is allowed",
    "webpki::eku::root-has-eku": "it allows servers; private roots have it to be limited to servers",
    "webpki::san::public-suffix-private-namespace-wildcard-san": "Amazon S3 has such a certificate; browsers accept it",
    "webpki::san::san-critical-with-nonempty-subject": "RFC 5280 lets the authority choose",
}
REJECTED: Final = {
    "pathlen::validation-ignores-pathlen-in-leaf": "the leaf is an authority's",
    "rfc5280::ca-as-leaf": "the leaf is an authority's; webpki::ca-as-leaf has that refusal as a should",
    "rfc5280::nc::permitted-dn-match": "it has no host name, so it could never be served",
}
# The allowed reasons for each family of cases; the longest matching prefix counts. A refusal for another reason fails.
CODES: Final = {
    "cve::": {"chain_forbidden_name"},
    "invalid::": {"certificate_unreadable"},
    "pathlen::": {"chain_too_long"},
    "pathlen::validation-ignores-pathlen-in-leaf": {"leaf_is_authority"},
    "pathological::intermediate-cycle": {"chain_incomplete", "chain_wrong_key_identifier"},
    "pathological::nc-dos": {"leaf_too_many_names", "chain_too_many_constraints"},
    "pathological::nc-dos-3": {"leaf_no_names", "chain_too_many_constraints"},
    "pathological::pathological-chain": {"bundle_too_many_certificates"},
    "rfc5280::aki::critical": {"chain_wrongly_critical_extension"},
    "rfc5280::aki::leaf": {"leaf_no_authority_key_identifier"},
    "rfc5280::ca-as-leaf": {"leaf_is_authority"},
    "rfc5280::ca-as-leaf-wrong-san": {"leaf_is_authority", "domain_not_covered"},
    "rfc5280::ca-empty-subject": {"leaf_no_issuer", "chain_no_subject"},
    "rfc5280::chain-untrusted-root": {"chain_untrusted"},
    "rfc5280::duplicate-extensions": {"leaf_extension_twice"},
    "rfc5280::ee-critical-aia-invalid": {"leaf_wrongly_critical_extension"},
    "rfc5280::ee-empty-issuer": {"leaf_no_issuer", "chain_incomplete"},
    "rfc5280::eku::ee-eku-empty": {"leaf_malformed"},
    "rfc5280::eku::ee-wrong-eku": {"leaf_not_for_servers"},
    "rfc5280::ica-ku-keycertsign": {"chain_incomplete"},
    "rfc5280::intermediate-ca-missing-basic-constraints": {"chain_incomplete"},
    "rfc5280::intermediate-ca-without-ca-bit": {"chain_not_an_authority"},
    "rfc5280::leaf-ku-keycertsign": {"leaf_may_sign"},
    "rfc5280::nc::": {"chain_forbidden_name"},
    "rfc5280::nc::excluded-dn": {"chain_forbidden_name", "leaf_no_usable_name", "domain_not_covered"},
    "rfc5280::nc::invalid-": {"chain_malformed"},
    "rfc5280::nc::nc-permits-invalid-dns-san": {"leaf_bad_name"},
    "rfc5280::nc::not-allowed-in-ee": {"leaf_name_constraints"},
    "rfc5280::nc::permitted-dn-": {"chain_forbidden_name", "leaf_no_usable_name", "domain_not_covered"},
    "rfc5280::nc::permitted-dns-mismatch": {"chain_forbidden_name", "domain_not_covered"},
    "rfc5280::root-inconsistent-ca-extensions": {"chain_may_not_sign"},
    "rfc5280::root-missing-basic-constraints": {"chain_not_an_authority"},
    "rfc5280::root-non-critical-basic-constraints": {"chain_constraints_not_critical"},
    "rfc5280::san::ip-in-dns": {"leaf_bad_name", "leaf_no_usable_name", "domain_not_covered"},
    "rfc5280::san::malformed": {"leaf_malformed"},
    "rfc5280::san::noncritical-with-empty-subject": {"leaf_names_not_critical"},
    "rfc5280::san::underscore-dns": {"leaf_no_usable_name"},
    "rfc5280::serial::": {"leaf_bad_serial_number"},
    "rfc5280::ski::critical": {"chain_wrongly_critical_extension", "chain_wrong_key_identifier"},
    "rfc5280::unknown-critical-extension": {"chain_unknown_critical_extension"},
    "rfc5280::unknown-critical-extension-ee": {"leaf_unknown_critical_extension"},
    "rfc5280::validity::": {"leaf_expired", "leaf_not_yet_valid", "chain_expired", "chain_not_yet_valid"},
    "webpki::aki::": {"chain_wrong_key_identifier", "chain_malformed"},
    "webpki::ca-as-leaf": {"leaf_is_authority"},
    "webpki::ee-basicconstraints-ca": {"leaf_is_authority"},
    "webpki::forbidden-dsa-leaf": {"leaf_key_type", "key_type"},
    "webpki::forbidden-dsa-root": {"chain_weak_key"},
    "webpki::forbidden-p192-leaf": {"leaf_key_type", "key_type"},
    "webpki::forbidden-p192-root": {"chain_weak_key"},
    "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf": {"leaf_key_size", "key_size"},
    "webpki::forbidden-rsa-not-divisible-by-8-in-root": {"chain_weak_key"},
    "webpki::forbidden-weak-rsa-in-leaf": {"leaf_key_size", "key_size"},
    "webpki::forbidden-weak-rsa-key-in-root": {"chain_weak_key"},
    "webpki::malformed-aia": {"leaf_malformed"},
    "webpki::nc::": {"chain_malformed"},
    "webpki::san::": {"leaf_bad_wildcard", "leaf_no_usable_name", "domain_not_covered"},
    "webpki::san::mismatch-": {"domain_not_covered"},
    "webpki::san::no-san": {"leaf_no_names"},
    "webpki::san::unicode-emoji-san": {"leaf_bad_name", "leaf_no_usable_name", "domain_not_covered"},
    "webpki::san::wildcard-match-across-labels-san": {"domain_not_covered"},
    "webpki::v1-cert": {"leaf_not_version_3"},
}


@cache
def verdict(name: str) -> Judgement:
    case = CASES[name]
    return judge(
        case["bundle_pem"].encode(),
        case["key_pem"].encode(),
        at=datetime.fromisoformat(case["at"]),
        domain=None if case["domain"] is None else Name(case["domain"]),
        trust=x509.load_pem_x509_certificates(case["trust_pem"].encode()),
    )


def expected(name: str) -> str:
    if name in ACCEPTED:
        return "accept"
    return "reject" if name in REJECTED else CASES[name]["expect"]


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_the_expected_verdict(name: str) -> None:
    judgement = verdict(name)

    assert ("accept" if judgement.is_accepted else "reject") == expected(name), judgement.reasons


@pytest.mark.parametrize("name", [name for name in CASES if expected(name) == "reject"])
def test_a_case_is_refused_for_the_expected_reason(name: str) -> None:
    wanted = CODES[max((prefix for prefix in CODES if name.startswith(prefix)), key=len)]

    found = {reason.code for reason in verdict(name).reasons}

    assert found, name
    assert found <= wanted


def test_only_cases_of_strictness_may_differ_from_the_suite() -> None:
    assert {CASES[name]["strictness"] for name in ACCEPTED | REJECTED} == {"may"}
    assert {CASES[name]["expect"] for name in ACCEPTED} == {"reject"}
    assert {CASES[name]["expect"] for name in REJECTED} == {"accept"}


def test_the_suite_has_all_its_cases() -> None:
    strictness = Counter(case["strictness"] for case in CASES.values())

    assert strictness == {"must": 90, "should": 24, "may": 46}
