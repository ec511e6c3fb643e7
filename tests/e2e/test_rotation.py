"""Each key ring rotates while the platform lives: nothing fails, and the old secrets are worth nothing."""

import asyncio
import secrets
import shutil
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from dev.platform.customer_ca import Authority
from dev.platform.ledger import Fact
from dev.platform.logins import KEEPER
from dev.platform.platform import Platform
from dev.platform.service import Node
from dev.platform.uploading import UPLOADED, Uploader
from dev.waiting import until
from shared.identifiers import KeyId
from shared.registry import certificates
from shared.vault import KeyFiles, SealedKey, key_files
from tests.rig.background_traffic import Traffic, traffic_on
from tests.rig.command_line import certsmith

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON: Final = "--activate-after=3"
TROUBLE: Final = ("certificate.failed", "certificate.rejected", "domain.rejected")
Document = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def services(platform: Platform) -> None:
    # A worker that keeps one context asks for nearly every visit, and the control process opens a key.
    forgetful = {"TERMINATOR_MAX_CONTEXTS": "1", "TERMINATOR_WORKERS": "1", "TERMINATOR_POLL_SECONDS": "600"}
    await platform.run(
        platform.provisioner(),
        platform.validator(),
        *(platform.terminator(f"node-{number}", node=number, **forgetful) for number in range(2)),
    )


def keeper_keys(platform: Platform) -> KeyFiles:
    return KeyFiles(keys_dir=platform.folder / "keys" / KEEPER)


def stolen_from(platform: Platform) -> KeyFiles:
    """Return a copy of all rings as they are now."""
    folder = platform.folder / "keys" / f"stolen-{secrets.token_hex(4)}"
    shutil.copytree(platform.folder / "keys" / KEEPER, folder)
    return KeyFiles(keys_dir=folder)


async def rotate(platform: Platform, *words: str) -> list[Document]:
    """Run `certsmith keys rotate` as the keeper, and return what it says of each ring."""
    environment = {
        "KEEPER_DATABASE_URL": platform.logins.database_url(KEEPER),
        "CERTSMITH_KEYS_DIR": str(keeper_keys(platform).keys_dir),
    }
    answer = await certsmith("keys", "rotate", *words, "--json", environment=environment)
    assert answer.code == 0, answer.out + answer.err
    rings: list[Document] = answer.document["rings"]
    assert [ring["left"] for ring in rings] == [[] for _ in rings]
    return rings


RotateUnderLoad = Callable[..., Awaitable[list[Document]]]
SHORT, LONG = 1, pytest.param(3, marks=pytest.mark.soak)


@pytest.fixture(params=[SHORT, LONG], ids="load {}".format)
def rotate_under_load(
    request: pytest.FixtureRequest, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> RotateUnderLoad:
    """Return a function that rotates while the platform lives, before and after, and fails if anything there fails."""

    async def rotated(*words: str) -> list[Document]:
        traffic, rings = await rotate_under_traffic(platform, request.param, *words)
        with capsys.disabled():
            sys.stdout.write(
                f"{words[0]} rotated, {sum(ring['renewed'] for ring in rings)} renewed, during {traffic}\n"
            )
        return rings

    return rotated


async def rotate_under_traffic(platform: Platform, much: int, *words: str) -> tuple[Traffic, list[Document]]:
    async with traffic_on(platform) as traffic:
        await traffic.continues(much, 1, 30 * much)
        rings = await rotate(platform, *words)
        await traffic.continues(2 * much, 1 + much // 2, 100 * much)
    await platform.settled()
    assert traffic.failures == []
    assert [(fact.kind, fact.data) for fact in await platform.ledger.all_facts() if fact.kind in TROUBLE] == []
    assert refused_keys(platform) == []
    return traffic, rings


def refused_keys(platform: Platform) -> list[Document]:
    return [
        record for node in platform.nodes for record in node.records() if record.get("event") == "sealed_key_refused"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored key of a tenant."""

    sealed: SealedKey
    tenant: str


async def stored_keys(platform: Platform) -> list[Stored]:
    connection = await asyncpg.connect(platform.logins.administrator_url)
    try:
        rows = await connection.fetch("SELECT id, tenant FROM registry.keys")
        found = [(await certificates.sealed_key(connection, KeyId(row["id"])), row["tenant"]) for row in rows]
    finally:
        await connection.close()
    return [Stored(sealed=sealed, tenant=tenant) for sealed, tenant in found if sealed is not None]


def opens_a_wrap(keys: KeyFiles, sealed: SealedKey) -> bool:
    """Return whether any vault secret in *keys* opens the wrap, whichever id the wrap names."""
    for key in keys.load(key_files.VAULT_SECRET).keys:
        try:
            SealedBox(PrivateKey(key.material)).decrypt(sealed.wrap)
        except CryptoError:
            continue
        return True
    return False


async def test_the_vault_rotates_under_load(platform: Platform, rotate_under_load: RotateUnderLoad) -> None:
    stolen = stolen_from(platform)

    (ring,) = await rotate_under_load("vault", SOON, "--forget-now")
    stored = await stored_keys(platform)
    reader = keeper_keys(platform).key_reader()

    assert ring["renewed"] > 0
    assert len(ring["deleted"]) == 1
    assert {each.sealed.vault_key_id for each in stored} == {ring["current"]}
    assert not [each.sealed.key_id for each in stored if opens_a_wrap(stolen, each.sealed)]
    assert all(reader.open(each.sealed, tenant=each.tenant) for each in stored)


async def test_signing_keys_rotate_under_load(platform: Platform, rotate_under_load: RotateUnderLoad) -> None:
    rings = await rotate_under_load("signing", SOON)
    stored = await stored_keys(platform)

    assert [ring["ring"] for ring in rings] == ["signing.provisioner", "signing.validator"]
    assert all(ring["renewed"] > 0 and len(ring["deleted"]) == 1 for ring in rings)
    assert {each.sealed.signing_key_id for each in stored} == {ring["current"] for ring in rings}


async def test_the_intake_rotates_under_load(platform: Platform, rotate_under_load: RotateUnderLoad) -> None:
    before = keeper_keys(platform).load(key_files.INTAKE_PUBLIC).keys
    kept = [key.id for key in keeper_keys(platform).load(key_files.INTAKE_SECRET).keys if key.retired_at is not None]

    (ring,) = await rotate_under_load("intake", SOON)

    assert [key.id for key in before] == ring["retired"]
    assert [*kept, *ring["retired"]] == [key["id"] for key in ring["waiting"]]
    assert [key.id for key in keeper_keys(platform).load(key_files.INTAKE_PUBLIC).keys] == [ring["current"]]


async def test_what_is_forged_with_the_old_signing_key_is_refused(platform: Platform) -> None:
    host, trusted = await served_hosts(platform, 2)
    stolen = stolen_from(platform)
    await rotate(platform, "signing", "--writer=provisioner", SOON)

    # The thief even has the true private key: only the signature is not that of a current signing key.
    for name, keys in ((host, stolen), (trusted, keeper_keys(platform))):
        await seal_again(platform, name, keys)
        await platform.publisher.bare("domain.updated", {"domain": name, "description": secrets.token_hex(4)})

    await until(lambda: is_refused(platform, host), f"{host} to be refused")
    assert (await platform.served(trusted)).names == [trusted]


async def test_an_upload_that_is_sealed_to_the_old_intake_key_is_refused(platform: Platform) -> None:
    customers, with_old_key = Authority(), Uploader(stolen_from(platform).path_of(key_files.INTAKE_PUBLIC))

    async def verdict() -> Fact:
        upload = with_old_key.upload(customers.issue(f"shop-{secrets.token_hex(6)}.example.com"))
        await platform.publisher.bare(UPLOADED, upload)
        return await platform.ledger.verdict(upload["certificate_id"])

    async def is_refused() -> bool:
        codes = [reason["code"] for reason in (await verdict()).data.get("reasons", [])]
        return codes == ["intake_key_unknown"]

    await rotate(platform, "intake", SOON)
    on_its_way = await verdict()
    await rotate(platform, "intake", "--finish", "--forget-now")

    assert on_its_way.kind == "certificate.ready"
    await until(is_refused, "validators to have looked at their files", patience=10)
    assert await is_refused()


async def served_hosts(platform: Platform, count: int) -> list[str]:
    hosts = [f"shop-{secrets.token_hex(6)}.example.com" for _ in range(count)]
    await platform.point_here(*hosts)
    for host in hosts:
        await platform.publisher.bare("domain.created", platform.domain(host))
    for host in hosts:
        await platform.served(host)
    return hosts


async def seal_again(platform: Platform, host: str, keys: KeyFiles) -> None:
    """Seal the private key of *host* again with *keys*, as the provisioner does, over its rows."""
    query = (
        "SELECT key_id FROM registry.certificates JOIN registry.domains ON automatic_certificate_id = certificates.id "
        "WHERE domains.name = $1"
    )
    key_id = await platform.ledger.value(query, host)
    (stored,) = [each for each in await stored_keys(platform) if each.sealed.key_id == key_id]
    sealed = keys.key_writer("provisioner").seal(
        key_id=stored.sealed.key_id,
        tenant=stored.tenant,
        private_key_pkcs8=keeper_keys(platform).key_reader().open(stored.sealed, tenant=stored.tenant),
        public_key_spki=stored.sealed.public_key,
    )
    connection = await asyncpg.connect(platform.logins.administrator_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "UPDATE registry.keys SET ciphertext = $2, signing_key_id = $3, signature = $4 WHERE id = $1",
                *(key_id, sealed.ciphertext, sealed.signing_key_id, sealed.signature),
            )
            await connection.execute(
                "UPDATE registry.key_wraps SET vault_key_id = $2, wrap = $3 WHERE key_id = $1",
                *(key_id, sealed.vault_key_id, sealed.wrap),
            )
    finally:
        await connection.close()


async def is_refused(platform: Platform, host: str) -> bool:
    """Return whether every node refuses *host* with the alert `internal_error`."""
    return all([await _is_refused_by(platform, node, host) for node in platform.nodes])


async def _is_refused_by(platform: Platform, node: Node, host: str) -> bool:
    try:
        await platform.visit(host, node)
    except ssl.SSLError as error:
        return error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    await asyncio.sleep(0)
    return False
