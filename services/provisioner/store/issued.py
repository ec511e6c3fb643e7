"""The last transaction of an order: the certificate, the domain that serves it, the closed order, and the event."""

from datetime import timedelta

from services.provisioner.rules.orders import Order
from services.provisioner.store import events, orders
from shared.certificates import CertificateFacts, covers
from shared.events import CertificateReady, DomainVersion
from shared.identifiers import CertificateId, new_certificate_id
from shared.registry import certificates, domains
from shared.store import Connection


async def store_certificate(
    connection: Connection, before: Order, after: Order, *, chain: tuple[bytes, ...], facts: CertificateFacts
) -> CertificateId | None:
    """Close the order and, if its domain still wants it, store the certificate and publish `certificate.ready`.

    Returns the certificate's id, or None when the domain was deleted, lost its name or changed its policy meanwhile:
    then only the order is closed.

    Raises:
        LostLeaseError: the order was cancelled, or its lease expired; the caller's transaction must be rolled back.
    """
    domain = await domains.lock(connection, before.domain_id)
    wanted = _wants(domain, before) and covers(facts.names, before.name)
    if not wanted:
        await orders.release(connection, before, after, wait=timedelta())
        return None
    certificate_id = new_certificate_id()
    assert before.key_id is not None  # stored on entering `keyed`
    await certificates.insert(
        connection,
        certificate_id=certificate_id,
        tenant=before.tenant,
        source="automatic",
        key_id=before.key_id,
        chain=chain,
        facts=facts,
    )
    await orders.release(connection, before, after, wait=timedelta(), certificate_id=certificate_id)
    version = await domains.set_automatic_certificate(connection, before.domain_id, certificate_id)
    await _publish_ready(connection, before, facts, certificate_id=certificate_id, version=version)
    return certificate_id


def _wants(domain: domains.Domain, order: Order) -> bool:
    policy = domain.policy
    return (
        domain.deleted_at is None
        and domain.holds_name
        and domain.name == order.name
        and policy is not None
        and policy.private_key_type == order.key_type
    )


async def _publish_ready(
    connection: Connection, order: Order, facts: CertificateFacts, *, certificate_id: CertificateId, version: int
) -> None:
    ready = CertificateReady(
        certificate_id=certificate_id,
        domains=(DomainVersion(domain=order.name, version=version),),
        not_before=facts.not_before,
        not_after=facts.not_after,
        serial_number=facts.serial_number,
        issuer=facts.issuer,
        source="automatic",
    )
    await events.publish(connection, ready, cause=order.cause)
