"""The events that the provisioner consumes, one method each; a handler only writes rows.

Rules:
* A handler runs inside one transaction, and is idempotent by the state that it finds there.
* Everything that a request names is checked. A refused request is published as `domain.rejected`, with the reason.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog

from services.provisioner.rules.orders import Order
from services.provisioner.store import events, orders
from shared import upstreams
from shared.errors import Reason, RefusedError
from shared.events import (
    CertificateManagementPolicy,
    CertificateRenewalRequested,
    CertificateRevocationRequested,
    DomainCreated,
    DomainDeleted,
    DomainRejected,
    DomainUpdated,
    EventReason,
    Incoming,
    OrderState,
    ReasonCode,
)
from shared.identifiers import CertificateId, new_event_id, new_order_id
from shared.names import Name, NameRefusedError, normalize
from shared.registry import certificates, domains
from shared.store import Connection

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """Handles the events of the provisioner's queues. *ca* is the directory URL of the CA for new orders."""

    ca: str

    async def on_domain_created(self, connection: Connection, event: Incoming) -> None:
        """Register the domain and open its order; a domain that has everything already is left unchanged.

        A customer's own certificate stays attached, unless the request names another one or null.
        """
        data = event.data
        assert isinstance(data, DomainCreated)
        name = _accepted_name(event, data.domain)
        _require_upstream(event, data.domain, data.upstream)
        configuration = domains.Configuration(
            upstream=data.upstream,
            policy=data.certificate_management_policy,
            terminate_tls=data.terminate_tls,
            attached_certificate_id=_certificate_id(data.attached_certificate_id),
            description=data.description,
            metadata=data.metadata,
        )
        try:
            applied = await domains.register(
                connection,
                tenant=data.tenant,
                name=name,
                requested_at=event.occurred_at,
                configuration=configuration,
                detaches=data.detaches,
            )
        except domains.UnfitCertificateError as error:
            raise _rejected(event, data.domain, Reason(ReasonCode.CERTIFICATE_UNFIT, str(error))) from error
        await self._follow_up(connection, event, applied, reason="created")

    async def on_domain_updated(self, connection: Connection, event: Incoming) -> None:
        """Change the named fields; a waiting order is tried again now, since its obstacle may be gone."""
        data = event.data
        assert isinstance(data, DomainUpdated)
        name = _accepted_name(event, data.domain)
        changes = _changes(data)
        if "upstream" in changes:
            _require_upstream(event, data.domain, data.upstream)
        try:
            applied = await domains.update(
                connection, tenant=data.tenant, name=name, requested_at=event.occurred_at, **changes
            )
        except domains.UnfitCertificateError as error:
            raise _rejected(event, data.domain, Reason(ReasonCode.CERTIFICATE_UNFIT, str(error))) from error
        if applied is None:
            raise _rejected(event, data.domain, _not_registered(name, data.tenant))
        await self._follow_up(connection, event, applied, reason="updated")

    async def on_domain_deleted(self, connection: Connection, event: Incoming) -> None:
        """Cancel the domain's orders and challenge answers, leave a tombstone, and erase its automatic keys."""
        data = event.data
        assert isinstance(data, DomainDeleted)
        name = _accepted_name(event, data.domain)
        applied = await domains.delete(connection, tenant=data.tenant, name=name, requested_at=event.occurred_at)
        if not applied.has_changed:
            log.info("deletion_changed_nothing", domain=name, outcome=applied.effect)
            return
        await orders.cancel_orders(connection, applied.domain.id)
        await domains.erase_keys(connection, applied.domain.id)
        await events.publish_changed(connection, applied.domain, cause=event.cause)
        # Another tenant may be waiting for the name, or may have lost it and have no order left to get it back.
        for waiting in await domains.claims_on(connection, name):
            if not await orders.retry_now(connection, waiting.id) and waiting.policy is not None:
                await self._open_order(connection, event, waiting, waiting.policy, reason="updated")

    async def on_certificate_renewal_requested(self, connection: Connection, event: Incoming) -> None:
        """Order a new certificate; if an order waits already, try that one again now."""
        data = event.data
        assert isinstance(data, CertificateRenewalRequested)
        if data.domain is None:
            reason = Reason(ReasonCode.DOMAIN_MISSING, "a renewal names its domain, and `domain` is missing")
            raise _rejected(event, data.certificate_id or "", reason)
        name = _accepted_name(event, data.domain)
        # Locked, so that a concurrent deletion either cancels the order that is opened here, or is seen here.
        domain = await domains.find_locked(connection, tenant=data.tenant, name=name)
        if domain is None or domain.is_deleted:
            raise _rejected(event, data.domain, _not_registered(name, data.tenant))
        if domain.policy is None:
            reason = Reason(
                ReasonCode.NOT_AUTOMATIC,
                f"{name} has no certificate_management_policy, so its certificate is not automatic",
            )
            raise _rejected(event, data.domain, reason)
        if not await orders.retry_now(connection, domain.id):
            await self._open_order(connection, event, domain, domain.policy, reason="requested")

    async def on_certificate_revocation_requested(self, _connection: Connection, event: Incoming) -> None:
        """Refuse: this release revokes nothing. The dead letter can be replayed to a release that does."""
        data = event.data
        assert isinstance(data, CertificateRevocationRequested)
        what = data.domain or data.certificate_id or "the certificate"
        raise RefusedError(
            Reason(
                ReasonCode.REVOCATION_NOT_SERVED,
                f"this release revokes nothing, so {what} is as valid as before; revoke it at the CA, with its private "
                "key or the ACME account, or delete the domain to stop serving it",
            )
        )

    async def _follow_up(
        self, connection: Connection, event: Incoming, applied: domains.Applied, *, reason: str
    ) -> None:
        """Publish the change, and make sure that the domain has the order that it needs and no other."""
        domain = applied.domain
        if applied.effect is domains.Effect.STALE:
            log.info("outdated_request_ignored", domain=domain.name, requested_at=event.occurred_at.isoformat())
            return
        if applied.has_changed:
            await events.publish_changed(connection, domain, cause=event.cause)
        if applied.effect is domains.Effect.CREATED:
            if domain.policy is not None:  # there can be neither orders nor certificates yet
                await self._open_order(connection, event, domain, domain.policy, reason=reason)
            return
        if domain.policy is None:
            await orders.cancel_orders(connection, domain.id)
            return
        await orders.cancel_orders(connection, domain.id, except_key_type=domain.policy.private_key_type)
        if await orders.retry_now(connection, domain.id):
            return
        if not await _is_served(connection, domain, domain.policy, now=event.received_at):
            await self._open_order(connection, event, domain, domain.policy, reason=reason)

    async def _open_order(
        self,
        connection: Connection,
        event: Incoming,
        domain: domains.Domain,
        policy: CertificateManagementPolicy,
        *,
        reason: str,
    ) -> None:
        order = Order(
            id=new_order_id(),
            domain_id=domain.id,
            tenant=domain.tenant,
            names=(domain.name,),
            key_type=policy.private_key_type,
            profile=policy.profile,
            ca=self.ca,
            state=OrderState.QUEUED,
            lease_token=0,
            cause=event.cause,
        )
        if await orders.open_order(connection, order, reason=reason):
            log.info("order_opened", order_id=order.id, domain=domain.name, reason=reason)


async def _is_served(
    connection: Connection, domain: domains.Domain, policy: CertificateManagementPolicy, *, now: datetime
) -> bool:
    """Return whether the domain has an automatic certificate of its policy's key type with a third of its life left."""
    if domain.automatic_certificate_id is None:
        return False
    current = await certificates.find(connection, domain.automatic_certificate_id)
    if current is None or current.facts.key_type != policy.private_key_type:
        return False
    life = current.facts.not_after - current.facts.not_before
    return await certificates.is_openable(connection, current) and now < current.facts.not_after - life / 3


def _accepted_name(event: Incoming, text: str) -> Name:
    try:
        return normalize(text)
    except NameRefusedError as error:
        raise _rejected(event, text, error.reason) from error


def _require_upstream(event: Incoming, domain: str, text: str | None) -> None:
    if text is None:
        return
    try:
        upstreams.parse(text)
    except upstreams.UpstreamRefusedError as error:
        raise _rejected(event, domain, error.reason) from error


def _not_registered(name: Name, tenant: str) -> Reason:
    whose = f"tenant {tenant!r}" if tenant else "the tenant without a name"
    return Reason(ReasonCode.DOMAIN_UNKNOWN, f"{name} is not registered by {whose}; publish domain.created first")


def _rejected(event: Incoming, domain: str, *reasons: Reason) -> RefusedError:
    """Return the refusal of *event*, which is published as `domain.rejected`."""
    fact = DomainRejected(
        event_id=event.id or new_event_id(),
        domain=domain[:1024],
        reasons=tuple(EventReason(code=reason.code, message=reason.message) for reason in reasons),
    )
    return RefusedError(*reasons, fact=fact)


def _certificate_id(text: str | None) -> CertificateId | None:
    return None if text is None else CertificateId(text)


def _changes(data: DomainUpdated) -> domains.ConfigurationChanges:
    """Return the named fields; a null upstream, policy, certificate or TLS policy removes it."""
    changes = domains.ConfigurationChanges()
    if "upstream" in data.changes:
        changes["upstream"] = data.upstream
    if "certificate_management_policy" in data.changes:
        changes["policy"] = data.certificate_management_policy
    if "terminate_tls" in data.changes:
        changes["terminate_tls"] = data.terminate_tls
    if "attached_certificate_id" in data.changes:
        changes["attached_certificate_id"] = _certificate_id(data.attached_certificate_id)
    if "description" in data.changes:
        changes["description"] = data.description
    if "metadata" in data.changes:
        changes["metadata"] = data.metadata
    return changes
