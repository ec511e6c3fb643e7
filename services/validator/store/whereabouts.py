"""What is stored under an id that is not among the tenant's uploaded certificates."""

from typing import Final

from services.validator.rules.deletions import Whereabouts
from shared.identifiers import CertificateId
from shared.store import Connection

_SELECT: Final = """
SELECT coalesce(bool_or(kind = 'automatic'), false) AS is_automatic,
    coalesce(bool_or(kind = 'waits'), false) AS waits_for_verdict, max(other_id) AS stored_as
FROM (
    SELECT source AS kind, NULL AS other_id FROM registry.certificates WHERE id = $1 AND tenant = $2
    UNION ALL
    SELECT CASE state WHEN 'received' THEN 'waits' END, stored_certificate_id FROM validator.uploads
    WHERE certificate_id = $1 AND tenant = $2
) AS found
"""


async def of_certificate(connection: Connection, certificate_id: CertificateId, *, tenant: str) -> Whereabouts:
    """Return whether *certificate_id* is automatic or awaits its verdict, and the id it was stored under before."""
    row = await connection.fetchrow(_SELECT, certificate_id, tenant)
    assert row is not None  # an aggregate returns a row
    return Whereabouts(**row)
