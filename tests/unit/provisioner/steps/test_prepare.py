"""The step from a queued order to a stored key and CSR."""

from ipaddress import IPv4Address

import pytest
from cryptography import x509

from services.provisioner import csr
from services.provisioner.rules.orders import Trigger
from services.provisioner.rules.preflight import Holding, Platform
from services.provisioner.rules.reachability import DnsAnswer, DnsOutcome
from services.provisioner.steps.prepare import prepare
from services.provisioner.steps.results import Advance, DnsNotReady, HumanNeeded, NameClaim, StepResult
from services.provisioner.steps.run import Run
from shared.identifiers import cname_label
from shared.vault import KeyReader, KeyWriter
from tests.builders.orders import a_run
from tests.builders.rings import signing_pair, vault_pair
from tests.fakes.dns import FixedDns, FixedRegistrations

ADDRESS = IPv4Address("192.0.2.1")
PLATFORM = Platform(zone="edge.example.net", addresses=frozenset({ADDRESS}))
NOWHERE = Platform(zone=None, addresses=frozenset())
HERE = DnsAnswer(name="shop.example.com", outcome=DnsOutcome.FOUND, addresses=(ADDRESS,))
MISSING = DnsAnswer(name="shop.example.com", outcome=DnsOutcome.NXDOMAIN)
HELD = Holding(holds_name=True, is_free=False)
FREE = Holding(holds_name=False, is_free=True)
HELD_BY_ANOTHER = Holding(holds_name=False, is_free=False)

VAULT_SECRET, VAULT_PUBLIC = vault_pair()
SIGNING, VERIFY = signing_pair()
KEYS = KeyWriter(vault=VAULT_PUBLIC, signing=SIGNING, writer="provisioner")
READER = KeyReader(vault=VAULT_SECRET, verify=VERIFY)


async def prepared(
    run: Run, *, answer: DnsAnswer = HERE, holding: Holding = HELD, platform: Platform = PLATFORM
) -> StepResult:
    return await prepare(
        run, registrations=FixedRegistrations(holding), dns=FixedDns(answer), keys=KEYS, platform=platform
    )


async def test_a_name_that_points_here_gets_a_sealed_key_and_its_csr() -> None:
    run = a_run(tenant="acme")

    result = await prepared(run)

    assert isinstance(result, Advance)
    assert result.key is not None
    request = result.changes["csr"]
    assert isinstance(request, bytes)
    assert (result.trigger, result.changes["key_id"]) == (Trigger.KEY_STORED, result.key.key_id)
    assert READER.open(result.key, tenant="acme")
    assert csr.public_key_of(request) == result.key.public_key
    names = x509.load_der_x509_csr(request).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.com"]


async def test_the_key_type_of_the_policy_is_made() -> None:
    result = await prepared(a_run(key_type="rsa"))

    assert isinstance(result, Advance)
    request = result.changes["csr"]
    assert isinstance(request, bytes)
    assert getattr(x509.load_der_x509_csr(request).public_key(), "key_size", None) == csr.RSA_BITS


async def test_an_order_whose_try_failed_keeps_its_key() -> None:
    result = await prepared(a_run(csr=b"stored"))

    assert result == Advance(trigger=Trigger.KEY_STORED, changes={"checks": 0})


async def test_a_name_that_does_not_point_here_waits_with_the_missing_record() -> None:
    run = a_run()

    result = await prepared(run, answer=MISSING)

    assert isinstance(result, DnsNotReady)
    assert f"{cname_label(run.order.domain_id)}.edge.example.net" in result.message
    assert run.dns_answer is MISSING


async def test_a_wildcard_needs_a_human() -> None:
    result = await prepared(a_run(names=("*.shop.example.com",)))

    assert isinstance(result, HumanNeeded)
    assert "DNS-01" in result.trouble.message


async def test_without_a_zone_and_addresses_the_dns_is_not_queried() -> None:
    dns = FixedDns(MISSING)

    result = await prepare(a_run(), registrations=FixedRegistrations(HELD), dns=dns, keys=KEYS, platform=NOWHERE)

    assert isinstance(result, Advance)
    assert not dns.asked


@pytest.mark.parametrize(
    ("cnames", "is_proof"), [((), False), (("own",), True)], ids=["by its address", "by its own target"]
)
async def test_a_free_name_is_claimed_with_the_key(cnames: tuple[str, ...], *, is_proof: bool) -> None:
    run = a_run()
    own = f"{cname_label(run.order.domain_id)}.edge.example.net"
    answer = DnsAnswer(
        name="shop.example.com",
        outcome=DnsOutcome.FOUND,
        cnames=tuple(own for _ in cnames),
        addresses=(ADDRESS,),
    )

    result = await prepared(run, answer=answer, holding=FREE)

    assert isinstance(result, Advance)
    assert result.name_claim == NameClaim(is_proof=is_proof)


async def test_a_name_that_another_holds_waits_for_the_proof() -> None:
    result = await prepared(a_run(), holding=HELD_BY_ANOTHER)

    assert isinstance(result, DnsNotReady)
    assert "already registered by another tenant" in result.message
