"""Private keys are nowhere in the clear, and of no use to an attacker who can write to the tables."""

import secrets

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from certsmith.rotation import generation
from dev.platform.customer_ca import pkcs8
from dev.platform.platform import Platform
from dev.platform.service import Node
from dev.waiting import until
from shared.identifiers import KeyId, new_key_id
from shared.registry import certificates
from shared.store.pool import open_pool
from shared.vault import KeyFiles, KeyReader, SealedKey
from tests.rig.secrets import key_forms
from tests.rig.secrets.search import found_in_the_clear
from tests.rig.tampering import Connection, becomes_refused, touch, with_administrator

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.own_servers]


def a_host() -> str:
    return f"shop-{secrets.token_hex(6)}.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def node(platform: Platform) -> Node:
    terminator = platform.terminator()
    await platform.run(platform.provisioner(), terminator)
    return terminator


async def served_hosts(platform: Platform, count: int, **more: object) -> list[str]:
    hosts = [a_host() for _ in range(count)]
    await platform.point_here(*hosts)
    for host in hosts:
        await platform.publisher.bare("domain.created", platform.domain(host, **more))
    for host in hosts:
        await platform.served(host)
    return hosts


def key_reader(platform: Platform) -> KeyReader:
    return KeyFiles(keys_dir=platform.folder / "keys" / "terminator").key_reader()


KEY_OF = """
SELECT c.key_id FROM registry.domains AS d JOIN registry.certificates AS c ON c.id = d.automatic_certificate_id
WHERE d.name = $1
"""


async def test_keys_whose_rows_were_swapped_are_refused_and_other_names_go_on(platform: Platform, node: Node) -> None:
    first, second, third = await served_hosts(platform, 3)

    async def swap(connection: Connection) -> None:
        one, other = [await connection.fetchval(KEY_OF, host) for host in (first, second)]
        for table, columns in (("keys", "public_key, ciphertext, signature, signing_key_id"), ("key_wraps", "wrap")):
            name = "id" if table == "keys" else "key_id"
            await connection.execute(
                f"UPDATE registry.{table} AS target SET ({columns}) = ("
                f"SELECT {columns} FROM registry.{table} AS source "
                f"WHERE source.{name} = CASE target.{name} WHEN $1 THEN $2 ELSE $1 END) "
                f"WHERE target.{name} IN ($1, $2)",
                one,
                other,
            )

    await with_administrator(platform, swap)
    await touch(platform, first, second, third)

    await becomes_refused(node, first)
    await becomes_refused(node, second)
    assert (await platform.served(third)).names == [third]


async def test_a_key_forged_by_somebody_else_is_refused(platform: Platform, node: Node) -> None:
    host, other = await served_hosts(platform, 2)
    folder = platform.folder / f"attacker-{secrets.token_hex(4)}"
    generation.generate(folder)
    attacker = KeyFiles(keys_dir=folder, vault_public_file=None, verify_file=None).key_writer("provisioner")
    key = ec.generate_private_key(ec.SECP256R1())
    forged = attacker.seal(
        key_id=new_key_id(),
        tenant="",
        private_key_pkcs8=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        public_key_spki=key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )

    async def forge(connection: Connection) -> None:
        key_id = await connection.fetchval(KEY_OF, host)
        await connection.execute(
            "UPDATE registry.keys SET public_key = $2, ciphertext = $3, signature = $4 WHERE id = $1",
            key_id,
            forged.public_key,
            forged.ciphertext,
            forged.signature,
        )
        await connection.execute("UPDATE registry.key_wraps SET wrap = $2 WHERE key_id = $1", key_id, forged.wrap)

    await with_administrator(platform, forge)
    await touch(platform, host, other)

    await becomes_refused(node, host)
    assert (await platform.served(other)).names == [other]


async def test_a_certificate_of_another_tenant_is_refused(platform: Platform, node: Node) -> None:
    (host,) = await served_hosts(platform, 1, tenant="victim")
    (other,) = await served_hosts(platform, 1, tenant="attacker")

    async def copy(connection: Connection) -> None:
        await connection.execute(
            "UPDATE registry.domains SET automatic_certificate_id = "
            "(SELECT automatic_certificate_id FROM registry.domains WHERE name = $1) WHERE name = $2",
            host,
            other,
        )

    await with_administrator(platform, copy)
    await platform.publisher.bare(
        "domain.updated", {"domain": other, "tenant": "attacker", "description": secrets.token_hex(4)}
    )

    await becomes_refused(node, other)
    assert (await platform.served(host)).names == [host]


async def test_no_private_key_is_anywhere_in_the_clear(platform: Platform) -> None:
    hosts = await served_hosts(platform, 3)
    outsider = ec.generate_private_key(ec.SECP256R1())
    pem = outsider.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    clear = {"domain": a_host(), "metadata": pem}
    await platform.publisher.bare("domain.created", clear)
    await platform.publisher.bare("domain.created", {"domain": "not a name", "description": "x"})
    await until(
        lambda: platform.ledger.value(
            "SELECT count(*) FROM messaging.dead_letters WHERE reason_code = 'key_in_the_clear'"
        ),
        lambda: "the key in the clear to be refused",
    )
    issued = {f"the key of {host}": await opened_key(platform, host) for host in hosts}
    published = {"the outsider's key": pkcs8(outsider)}

    assert await found_in_the_clear(platform, issued) == []
    assert await found_in_the_clear(platform, published, but_in=["RabbitMQ"]) == []
    body = await platform.ledger.value("SELECT body FROM messaging.dead_letters WHERE reason_code = 'key_in_the_clear'")
    assert b"PRIVATE KEY" not in body


async def test_the_search_finds_a_key_that_is_there(platform: Platform) -> None:
    (host,) = await served_hosts(platform, 1)
    needles = key_forms.needles_of(await opened_key(platform, host))
    planted = platform.folder / "planted"
    for name, needle in needles.items():
        planted.write_bytes(b"before" + needle + b"after")

        assert name in key_forms.search(planted, needles)
    planted.unlink()


async def opened_key(platform: Platform, host: str) -> bytes:
    """Return the private key of *host*, opened with the terminator's own secret."""
    row = await platform.ledger.value(KEY_OF, host)
    async with open_pool(platform.logins.administrator_url, role="terminator") as pool, pool.acquire() as connection:
        sealed: SealedKey | None = await certificates.sealed_key(connection, KeyId(row))
    assert sealed is not None
    return key_reader(platform).open(sealed, tenant="")
