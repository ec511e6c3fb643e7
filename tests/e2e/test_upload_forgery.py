"""Attacks on stored keys of uploads by the owner of the database: each is refused, and no other domain is affected."""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certsmith.rotation import generation
from dev.platform.customer_ca import Authority, Issued, pkcs8
from dev.platform.platform import Platform
from dev.platform.service import Node
from dev.platform.uploading import UPLOADED
from shared.identifiers import KeyId
from shared.vault import KeyFiles, SealedKey
from tests.rig.tampering import Connection, becomes_refused, touch, with_administrator

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS: Final = Authority()
ALERTS: Final = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A host that serves what its tenant has uploaded; it has no automatic certificate."""

    host: str
    tenant: str
    issued: Issued
    certificate_id: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A victim with its current and its older certificate, a thief, and a bystander."""

    victim: Uploaded
    older: Uploaded
    thief: Uploaded
    bystander: Uploaded
    forged: SealedKey
    """The key of the older certificate, sealed as the victim's and signed with a key that no ring has."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def node(platform: Platform) -> Node:
    terminator = platform.terminator()
    await platform.run(platform.provisioner(), platform.validator(), terminator)
    return terminator


async def uploaded(platform: Platform, tenant: str, *, host: str | None = None) -> Uploaded:
    """Return a host that serves a fresh certificate of *tenant*."""
    is_new = host is None
    host = host or f"shop-{secrets.token_hex(6)}.example.com"
    if is_new:
        unmanaged = platform.domain(host, tenant=tenant, certificate_management_policy=None)
        await platform.publisher.bare("domain.created", unmanaged)
    issued = OURS.issue(host)
    data = platform.uploader.upload(issued, tenant=tenant, attach=[host])
    await platform.publisher.bare(UPLOADED, data)
    verdict = await platform.ledger.verdict(data["certificate_id"])
    assert verdict.kind == "certificate.ready", verdict
    if is_new:
        visit = await platform.served(host, trusting=OURS.roots_pem)
        assert visit.certificate == issued.leaf
    query = "SELECT key_id FROM registry.certificates WHERE id = $1"
    key_id = await platform.ledger.value(query, data["certificate_id"])
    return Uploaded(
        host=host, tenant=tenant, issued=issued, certificate_id=data["certificate_id"], key_id=KeyId(key_id)
    )


def forged_for(platform: Platform, victim: Uploaded, key: Issued) -> SealedKey:
    """Return *key* sealed as the victim's key, with the platform's vault and a signing key of the forger's own."""
    folder = platform.folder / f"forger-{secrets.token_hex(4)}" / "keys"
    generation.generate(folder)
    vault = platform.folder / "keys" / "validator" / "vault.public.json"
    forger = KeyFiles(keys_dir=folder, vault_public_file=vault).key_writer("validator")
    return forger.seal(
        key_id=KeyId(victim.key_id),
        tenant=victim.tenant,
        private_key_pkcs8=pkcs8(key.key),
        public_key_spki=key.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )


Act = Callable[[Connection, Scene], Awaitable[Any]]

_COPY_KEY: Final = """
UPDATE registry.keys AS mine SET ({columns}) = (SELECT {columns} FROM registry.keys AS theirs WHERE theirs.id = $2)
WHERE mine.id = $1
"""
_COPY_WRAP: Final = """
UPDATE registry.key_wraps SET wrap = (SELECT wrap FROM registry.key_wraps WHERE key_id = $2) WHERE key_id = $1
"""
_ALL: Final = "writer, format, signing_key_id, public_key, ciphertext, signature"


async def copy_key(connection: Connection, to: Uploaded, of: Uploaded, columns: str) -> None:
    await connection.execute(_COPY_KEY.format(columns=columns), to.key_id, of.key_id)


async def copy_wrap(connection: Connection, to: Uploaded, of: Uploaded) -> None:
    await connection.execute(_COPY_WRAP, to.key_id, of.key_id)


async def swap_keys(connection: Connection, scene: Scene) -> None:
    """Swap the two tenants' keys by exchanging their ids, wraps and all."""
    one, other, spare = scene.victim.key_id, scene.thief.key_id, f"key_{secrets.token_hex(12)}"
    for table, column in (("keys", "id"), ("key_wraps", "key_id")):
        for before, after in ((one, spare), (other, one), (spare, other)):
            await connection.execute(f"UPDATE registry.{table} SET {column} = $2 WHERE {column} = $1", before, after)


async def forge(connection: Connection, scene: Scene, *, signing_key_id: str) -> None:
    """Put a key and a leaf that fit each other in the place of the victim's."""
    forged = scene.forged
    await connection.execute(
        "UPDATE registry.keys SET public_key = $2, ciphertext = $3, signature = $4, signing_key_id = $5 WHERE id = $1",
        scene.victim.key_id,
        forged.public_key,
        forged.ciphertext,
        forged.signature,
        signing_key_id,
    )
    await connection.execute(
        "UPDATE registry.key_wraps SET wrap = $2, vault_key_id = $3 WHERE key_id = $1",
        scene.victim.key_id,
        forged.wrap,
        forged.vault_key_id,
    )
    leaf = scene.older.issued.leaf.public_bytes(Encoding.DER)  # what `forged` is the key of, for the victim's host
    await connection.execute(
        "UPDATE registry.certificates SET leaf = $2 WHERE id = $1", scene.victim.certificate_id, leaf
    )


async def forge_in_own_name(connection: Connection, scene: Scene) -> None:
    await forge(connection, scene, signing_key_id=scene.forged.signing_key_id)


async def forge_in_the_validators_name(connection: Connection, scene: Scene) -> None:
    genuine = await connection.fetchval("SELECT signing_key_id FROM registry.keys WHERE id = $1", scene.victim.key_id)
    await forge(connection, scene, signing_key_id=genuine)


async def alter(connection: Connection, scene: Scene, assignment: str) -> None:
    await connection.execute(f"UPDATE registry.keys SET {assignment} WHERE id = $1", scene.victim.key_id)


async def point_at_another_key(connection: Connection, scene: Scene) -> None:
    query = "UPDATE registry.certificates SET key_id = $2 WHERE id = $1"
    await connection.execute(query, scene.victim.certificate_id, scene.thief.key_id)


async def roll_back(connection: Connection, scene: Scene) -> None:
    """Give the newer certificate the key row of the one before it, of the same host and tenant."""
    await copy_key(connection, scene.victim, scene.older, _ALL)
    await copy_wrap(connection, scene.victim, scene.older)


async def roll_back_the_leaf(connection: Connection, scene: Scene) -> None:
    await connection.execute(
        "UPDATE registry.certificates SET leaf = $2 WHERE id = $1",
        scene.victim.certificate_id,
        scene.older.issued.leaf.public_bytes(Encoding.DER),
    )


async def change_the_tenant(connection: Connection, scene: Scene) -> None:
    """Give certificate, key and domain of the victim to the thief."""
    for table, column, value in (
        ("certificates", "id", scene.victim.certificate_id),
        ("keys", "id", scene.victim.key_id),
        ("domains", "name", scene.victim.host),
    ):
        await connection.execute(
            f"UPDATE registry.{table} SET tenant = $2 WHERE {column} = $1", value, scene.thief.tenant
        )


ATTACKS: Final[dict[str, Act]] = {
    "keys swapped between tenants": swap_keys,
    "another's ciphertext": lambda at, scene: copy_key(at, scene.victim, scene.thief, "ciphertext"),
    "another's ciphertext with its signature": lambda at, scene: copy_key(
        at, scene.victim, scene.thief, "ciphertext, signature"
    ),
    "another's wrap": lambda at, scene: copy_wrap(at, scene.victim, scene.thief),
    "a signature by an unknown key": forge_in_own_name,
    "a signature by another in the validator's name": forge_in_the_validators_name,
    "a certificate that points at another key": point_at_another_key,
    "a tenant that was changed": change_the_tenant,
    "an older key of the same host": roll_back,
    "an older leaf of the same host": roll_back_the_leaf,
    "another format": lambda at, scene: alter(at, scene, "format = 2"),
    "another writer": lambda at, scene: alter(at, scene, "writer = 'provisioner'"),
    "a ciphertext with a bit turned": lambda at, scene: alter(
        at, scene, "ciphertext = set_bit(ciphertext, 200, 1 - get_bit(ciphertext, 200))"
    ),
    "an empty ciphertext": lambda at, scene: alter(at, scene, "ciphertext = ''"),
}


async def refused_keys(node: Node) -> float:
    """Return the value of `terminator_sealed_keys_refused_total`, which has an alert."""
    page = await node.page("metrics")
    found = re.search(r"^terminator_sealed_keys_refused_total (\S+)$", page.text, re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest_asyncio.fixture(loop_scope="module")
async def scene(platform: Platform) -> Scene:
    tenants = [f"{name}-{secrets.token_hex(4)}" for name in ("victim", "thief", "bystander")]
    older = await uploaded(platform, tenants[0])
    victim = await uploaded(platform, tenants[0], host=older.host)
    await platform.served(victim.host, trusting=OURS.roots_pem)
    return Scene(
        victim=victim,
        older=older,
        thief=await uploaded(platform, tenants[1]),
        bystander=await uploaded(platform, tenants[2]),
        forged=forged_for(platform, victim, older.issued),
    )


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_stored_key_that_is_not_what_it_claims_is_refused(
    platform: Platform, node: Node, scene: Scene, attack: str
) -> None:
    before = await refused_keys(node)

    await with_administrator(platform, lambda connection: ATTACKS[attack](connection, scene))
    for host in (scene.victim.host, scene.bystander.host):
        tenant = await platform.ledger.value("SELECT tenant FROM registry.domains WHERE name = $1", host)
        await touch(platform, host, tenant=tenant)

    await becomes_refused(node, scene.victim.host)
    assert await refused_keys(node) > before
    bystander = await platform.served(scene.bystander.host, trusting=OURS.roots_pem)
    assert bystander.certificate == scene.bystander.issued.leaf


async def test_refused_keys_have_an_alert() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]

    assert any("terminator_sealed_keys_refused_total" in rule["expr"] for rule in rules)
