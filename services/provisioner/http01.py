"""HTTP-01 (RFC 8555 section 8.3): the CA is told to look once our own answer can be seen from outside."""

from services.provisioner.ports import AcmeAccount, Http01Probe
from services.provisioner.rules.acme import AuthorizationStatus, ChallengeStatus
from services.provisioner.rules.reachability import ProbeOutcome
from services.provisioner.run import Run


async def answer_challenges(run: Run, authority: AcmeAccount, *, probe: Http01Probe | None) -> str | None:
    """Tell the CA to look at each name that it has not looked at; return what stands in the way, if anything.

    Without a *probe* our own answer is not looked at first.
    """
    for url in run.order.authorization_urls:
        authorization = await authority.authorization(url, deadline=run.deadline)
        challenge = authorization.challenge("http-01")
        if authorization.status is not AuthorizationStatus.PENDING:
            continue
        if challenge is None:
            return f"the CA offers no HTTP-01 challenge for {authorization.name}"
        if challenge.status is not ChallengeStatus.PENDING:
            continue  # told before the crash that this run takes over from
        if probe is not None:
            obstacle = await _obstacle(run, probe, token=challenge.token, thumbprint=authority.thumbprint)
            if obstacle is not None:
                return obstacle
        await authority.answer(challenge.url, deadline=run.deadline)
    return None


async def _obstacle(run: Run, probe: Http01Probe, *, token: str, thumbprint: str) -> str | None:
    """Return why the CA would not see our answer to *token*, if it would not."""
    name = run.order.name
    # RFC 8555 section 8.1: the key authorization
    seen = await probe.fetch(name, token=token, expected=f"{token}.{thumbprint}", known=run.dns_answer)
    if seen.outcome is ProbeOutcome.OK:
        return None
    return (
        f"the challenge for {name} is not answered from outside ({seen.detail}); "
        "its DNS must lead to this platform, and port 80 must be open"
    )
