"""The operator's view of uploads."""

import json
from datetime import UTC, datetime

from shared.certificates import parse
from shared.identifiers import CertificateId
from shared.registry import certificates
from shared.registry.views import uploads
from shared.registry.views.model import UploadRemark
from shared.store import Connection, open_connection
from tests.builders.stored_rows import make

CERTIFICATE_ID = CertificateId("cert_a")


async def receive(owner: Connection) -> None:
    await owner.execute(
        "INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, bundle, sealed, intake_key_id, "
        "attach, requested_at, correlation_id) "
        "VALUES ($1, 'acme', 'received', $2, 'bundle', 'sealed', 'intake-1', '{a.example.com}', now(), 'c-1')",
        CERTIFICATE_ID,
        bytes(32),
    )


async def test_an_operator_sees_a_pending_upload(owner: Connection, database_url: str) -> None:
    await receive(owner)

    async with open_connection(database_url, role="operator") as connection:
        found = await uploads.named(connection, CERTIFICATE_ID)
        nothing = await uploads.named(connection, "cert_b")

    assert found is not None
    assert (found.state, found.tenant, found.attach, found.correlation_id) == (
        "received",
        "acme",
        ("a.example.com",),
        "c-1",
    )
    assert (found.is_in_hand, found.certificate, found.reasons) == (False, None, ())
    assert nothing is None


async def test_an_operator_sees_why_an_upload_was_rejected(owner: Connection, database_url: str) -> None:
    await receive(owner)
    reasons = [{"code": "key_mismatch", "message": "another key", "where": "key"}, {"code": "x", "message": "y"}]
    await owner.execute(
        "UPDATE validator.uploads SET state = 'rejected', bundle = NULL, sealed = NULL, judged_at = now(), "
        "reasons = $1::text::jsonb",
        json.dumps(reasons),
    )

    async with open_connection(database_url, role="operator") as connection:
        found = await uploads.named(connection, CERTIFICATE_ID)

    assert found is not None
    assert found.reasons == (
        UploadRemark(code="key_mismatch", message="another key", where="key"),
        UploadRemark(code="x", message="y", where=None),
    )
    assert found.judged_at is not None


async def test_an_operator_sees_the_certificate_stored_from_an_upload(owner: Connection, database_url: str) -> None:
    await receive(owner)
    made = make("a.example.com", tenant="acme")
    await certificates.insert_key(owner, made.sealed, tenant="acme")
    stored_id = await certificates.insert(
        owner,
        certificate_id=CERTIFICATE_ID,
        tenant="acme",
        source="uploaded",
        key_id=made.sealed.key_id,
        chain=(made.leaf, *made.issuers),
        facts=parse(made.leaf),
        publicly_trusted=False,
    )
    await owner.execute(
        "UPDATE validator.uploads SET state = 'accepted', bundle = NULL, sealed = NULL, judged_at = now(), "
        "stored_certificate_id = $1",
        stored_id,
    )

    async with open_connection(database_url, role="operator") as connection:
        found = await uploads.named(connection, CERTIFICATE_ID)

    assert found is not None
    assert found.certificate is not None
    assert (found.certificate.id, found.certificate.names) == (CERTIFICATE_ID, ("a.example.com",))
    assert found.certificate.publicly_trusted is False
    assert found.certificate.not_after > datetime.now(UTC)


async def test_uploads_are_listed_newest_first_page_by_page(owner: Connection, database_url: str) -> None:
    for number, (tenant, minutes) in enumerate([("acme", 3), ("acme", 1), ("acme", 2), ("other", 0)]):
        await owner.execute(
            "INSERT INTO validator.uploads (certificate_id, tenant, state, content_sha256, intake_key_id, attach, "
            "requested_at, received_at) "
            "VALUES ($1, $2, 'rejected', $3, 'intake-1', '{}', now(), now() - $4 * interval '1 minute')",
            f"cert_{number}",
            tenant,
            bytes(32),
            minutes,
        )

    async with open_connection(database_url, role="operator") as connection:
        first = await uploads.page(connection, tenant="acme", limit=2)
        second = await uploads.page(connection, tenant="acme", limit=2, after=first[-1].certificate_id)
        everybodys = await uploads.page(connection)
        waiting = await uploads.page(connection, state="received")

    assert [upload.certificate_id for upload in first + second] == ["cert_1", "cert_2", "cert_0"]
    assert [upload.certificate_id for upload in everybodys] == ["cert_3", "cert_1", "cert_2", "cert_0"]
    assert waiting == ()
