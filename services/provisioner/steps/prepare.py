"""queued, waiting_dns → keyed: check that the name leads here, then make its key and CSR.

Key and CSR are committed before any CA hears of the order, so no second key can ever be certified for it. An order
whose try failed keeps the key that it has, since no certificate was issued for it.
"""

import asyncio
from typing import Final

from services.provisioner import csr
from services.provisioner.ports import Dns, Registrations
from services.provisioner.rules import preflight
from services.provisioner.rules.orders import Order, Trigger, Trouble
from services.provisioner.steps.results import Advance, DnsNotReady, HumanNeeded, NameClaim, StepResult
from services.provisioner.steps.run import Run
from shared.events import ErrorCode
from shared.identifiers import cname_label, new_key_id
from shared.names import is_wildcard
from shared.vault import KeyWriter, SealedKey

_WILDCARD: Final = Trouble(
    error_code=ErrorCode.CHALLENGE_ERROR,
    message="a wildcard is validated by DNS-01 (RFC 8555 section 8.4), which this release does not do; "
    "host its names one by one",
)


async def prepare(
    run: Run, *, registrations: Registrations, dns: Dns, keys: KeyWriter, platform: preflight.Platform
) -> StepResult:
    """Return the sealed key and its CSR, or what the owner of the DNS must change first."""
    order = run.order
    if is_wildcard(order.name):
        return HumanNeeded(trouble=_WILDCARD)
    holding = await registrations.holding(order.domain_id)
    pointing = await _pointing(run, dns, platform, may_have_name=holding.holds_name or holding.is_free)
    if not pointing.points_here:
        return DnsNotReady(message=pointing.message)
    name_claim = None if holding.holds_name else NameClaim(is_proof=pointing.by_own_target)
    if order.csr is not None:
        return Advance(trigger=Trigger.KEY_STORED, changes={"checks": 0}, name_claim=name_claim)
    sealed, request = await _make_key(order, keys)
    return Advance(
        trigger=Trigger.KEY_STORED,
        changes={"checks": 0, "key_id": sealed.key_id, "csr": request},
        name_claim=name_claim,
        key=sealed,
    )


async def _pointing(run: Run, dns: Dns, platform: preflight.Platform, *, may_have_name: bool) -> preflight.Pointing:
    if preflight.expects_nothing(platform) and may_have_name:
        return preflight.Pointing(points_here=True)
    run.dns_answer = await dns.resolve(run.order.name)
    label = cname_label(run.order.domain_id)
    return preflight.check(run.dns_answer, target_label=label, platform=platform, may_have_name=may_have_name)


async def _make_key(order: Order, keys: KeyWriter) -> tuple[SealedKey, bytes]:
    """Return a new key, sealed, and the CSR that it signed."""
    if order.key_type == "rsa":  # takes a second of CPU; in a thread, so that other orders continue meanwhile
        made = await asyncio.to_thread(csr.make, order.names, key_type="rsa")
    else:
        made = csr.make(order.names, key_type=order.key_type)
    sealed = keys.seal(
        key_id=new_key_id(),
        tenant=order.tenant,
        private_key_pkcs8=made.private_key,
        public_key_spki=made.public_key,
    )
    return sealed, made.request
