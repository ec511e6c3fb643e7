"""An upload is stored with its key sealed to the vault, or rejected with every reason."""

from dev.platform.customer_ca import Authority, pkcs8
from shared.certificates import parse
from shared.identifiers import CertificateId
from shared.registry import certificates
from shared.store import open_pool
from tests.rig.validator.surroundings import Rig


async def test_a_good_upload_is_stored_with_its_key_sealed_to_the_vault(rig: Rig, authority: Authority) -> None:
    issued = authority.issue("shop.example.com")
    upload = rig.uploader.upload(issued, certificate_id="cert_1", tenant="acme", description="mine")

    async with rig.validator():
        await rig.publish(upload)
        ready = await rig.fact("certificate.ready")

    async with open_pool(rig.database_url, role="terminator") as pool, pool.acquire() as connection:
        stored = await certificates.find(connection, CertificateId("cert_1"))
        assert stored is not None
        sealed = await certificates.sealed_key(connection, stored.key_id)
    assert sealed is not None
    assert stored.tenant == "acme"
    assert parse(stored.leaf).names == ("shop.example.com",)
    assert rig.keys.key_reader().open(sealed, tenant="acme") == pkcs8(issued.key)
    assert ready.data["certificate_id"] == "cert_1"
    assert ready.data["source"] == "uploaded"
    assert ready.data["publicly_trusted"] is False
    row = await rig.upload_row("cert_1")
    assert (row["state"], row["bundle"], row["sealed"]) == ("accepted", None, None)


async def test_a_bad_upload_is_rejected_with_every_reason(rig: Rig, authority: Authority) -> None:
    issued, other = authority.issue("shop.example.com"), authority.issue("shop.example.com")
    upload = rig.uploader.upload_of(issued.bundle_pem, other.key_pem, certificate_id="cert_1")

    async with rig.validator():
        await rig.publish(upload)
        rejected = await rig.fact("certificate.rejected", certificate_id="cert_1")

    assert rejected.data["reasons"]
    assert all(reason["code"] and reason["message"] and reason["where"] for reason in rejected.data["reasons"])
    row = await rig.upload_row("cert_1")
    assert (row["state"], row["bundle"], row["sealed"]) == ("rejected", None, None)
    assert await rig.database.fetchval("SELECT count(*) FROM registry.keys") == 0
    assert await rig.database.fetchval("SELECT count(*) FROM messaging.dead_letters") == 0
