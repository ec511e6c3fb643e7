"""finalizing → issued: send the stored CSR, fetch the chain, and check that it is for our key.

Sending the same CSR again is harmless (RFC 8555 section 7.4), so a run that takes the order over continues from the
order's status at the CA.
"""

from typing import Final

from services.provisioner import csr
from services.provisioner.ports import AcmeAccount
from services.provisioner.rules.acme import OrderStatus
from services.provisioner.rules.ca_errors.verdict import Pace, Remedy, Verdict
from services.provisioner.steps.results import CaStillWorking, Issued, StepResult, TryFailed
from services.provisioner.steps.run import Run
from services.provisioner.steps.validate import PATIENCE_SECONDS, why_invalid
from shared import certificates
from shared.events import ErrorCode

_WRONG_KEY: Final = Verdict(
    remedy=Remedy.FRESH_ORDER,
    error_code=ErrorCode.AUTHORITY_ERROR,
    message="the CA's certificate is for another key than the one asked for; a new order is made",
    pace=Pace.STEADY,
)


async def finalize(run: Run, account: AcmeAccount) -> StepResult:
    """Return the certificate that the CA issued for the order's CSR."""
    request = run.order.csr
    assert request is not None  # stored on entering `keyed`
    ca_order = await run.order_at_ca(account)
    if ca_order.status is OrderStatus.READY:
        ca_order = await account.finalize(ca_order, request, deadline=run.deadline)
    if ca_order.status in (OrderStatus.PROCESSING, OrderStatus.READY):
        ca_order = await account.settled(ca_order, patience_seconds=PATIENCE_SECONDS, deadline=run.deadline)
    if ca_order.status is OrderStatus.INVALID:
        return await why_invalid(run, account, ca_order)
    if ca_order.status is not OrderStatus.VALID or ca_order.certificate_url is None:
        return CaStillWorking(retry_after_seconds=ca_order.retry_after_seconds)
    chain = await account.certificate(ca_order.certificate_url, deadline=run.deadline)
    facts = certificates.parse(chain[0])
    if facts.public_key_spki != csr.public_key_of(request):
        return TryFailed(verdict=_WRONG_KEY)
    return Issued(chain=chain, facts=facts)
