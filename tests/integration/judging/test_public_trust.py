"""Chains to a public root: a package of the test's own replaces `certifi` and contains the test's own root."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from tests.builders.judging.certificates import AT, DAY, Issued, authority, bundle, issue, unknown
from tests.builders.judging.upload import ISSUER, LEAF_KEY, ROOT

REPOSITORY = Path(__file__).parents[3]
CERTIFI = "from pathlib import Path\n\ndef where():\n    return str(Path(__file__).with_name('cacert.pem'))\n"
# CABF BR section 7.1.6.1: issued after the domain was validated
DOMAIN_VALIDATED = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.23.140.1.2.1"), None)])
# RFC 6962 section 3.3, an empty list inside an OCTET STRING
TIMESTAMPS = unknown("1.3.6.1.4.1.11129.2.4.2", b"\x04\x02\x00\x00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a package `certifi` that contains only ROOT."""
    package = tmp_path / "certifi"
    package.mkdir()
    (package / "__init__.py").write_text(CERTIFI)
    (package / "cacert.pem").write_bytes(ROOT.pem)
    return tmp_path


def validated(folder: Path, *chain: Issued) -> Any:
    """Return the answer of `certsmith validate` to *chain*, with the public roots in *folder*."""
    (folder / "bundle.pem").write_bytes(bundle(*chain))
    (folder / "key.pem").write_bytes(chain[0].key_pem)
    words = ("--bundle", folder / "bundle.pem", "--key", folder / "key.pem", "--at", AT.isoformat(), "--json")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "certsmith", "validate", *map(str, words)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
    return json.loads(done.stdout)


def codes(findings: Any) -> list[str]:
    return [finding["code"] for finding in findings]


def test_a_chain_to_a_public_root_is_publicly_trusted(folder: Path) -> None:
    answer = validated(folder, issue(by=ISSUER, key=LEAF_KEY, more=[(TIMESTAMPS, False)]), ISSUER)

    assert (answer["verdict"], answer["warnings"]) == ("accept", [])
    assert (answer["publicly_trusted"], answer["trust_anchor"]) == (True, "CN=Shop Root")


def test_a_publicly_trusted_certificate_without_timestamps_causes_a_warning(folder: Path) -> None:
    answer = validated(folder, issue(by=ISSUER, key=LEAF_KEY), ISSUER)

    assert (answer["verdict"], codes(answer["warnings"])) == ("accept", ["no_scts"])
    assert answer["publicly_trusted"] is True


def test_a_chain_with_a_flaw_is_not_publicly_trusted(folder: Path) -> None:
    expired = authority("Shop Old CA", by=ROOT, not_after=AT - DAY)

    answer = validated(folder, issue(by=expired, key=LEAF_KEY), expired)

    assert codes(answer["reasons"]) == ["chain_expired"]
    assert answer["publicly_trusted"] is False


def test_a_chain_to_a_private_root_is_accepted_but_not_publicly_trusted(folder: Path) -> None:
    private = authority("Private Root")

    answer = validated(folder, issue(by=private, key=LEAF_KEY), private)

    assert answer["verdict"] == "accept"
    assert (answer["publicly_trusted"], answer["trust_anchor"]) == (False, "CN=Private Root")


def test_the_missing_issuer_of_a_public_certificate_is_named(folder: Path) -> None:
    answer = validated(folder, issue(by=ISSUER, key=LEAF_KEY, more=[(DOMAIN_VALIDATED, False)]))

    assert codes(answer["reasons"]) == ["chain_incomplete"]
    assert "Shop Issuing CA" in answer["reasons"][0]["message"]
