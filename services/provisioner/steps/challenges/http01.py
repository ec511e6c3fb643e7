"""HTTP-01 (RFC 8555 section 8.3), as the provisioner sees it.

The CA fetches `http://<name>/.well-known/acme-challenge/<token>` on port 80 and expects the key authorization, which is
the token, a dot and the thumbprint of the account's key. The thumbprint alone is published: every terminator then
answers for the name, whatever the token. Our own answer is fetched from outside before the CA is asked to look, because
a failed validation costs the order.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.provisioner.ports import AcmeAccount, Http01Probe
from services.provisioner.rules.acme import CaChallenge
from services.provisioner.rules.challenges import ChallengeAnswer
from services.provisioner.rules.reachability import ProbeOutcome
from services.provisioner.steps.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Http01:
    """Control of a name, proved by an answer on its port 80. Without a *probe* our own answer is not checked first."""

    kind: ClassVar[str] = "http-01"

    probe: Http01Probe | None

    async def answers(self, run: Run, account: AcmeAccount, *, expires_at: datetime) -> tuple[ChallengeAnswer, ...]:
        """Return the account's thumbprint for each name of the order. The CA is not asked."""
        return tuple(
            ChallengeAnswer(name=name, kind=self.kind, answer=account.thumbprint, expires_at=expires_at)
            for name in run.order.names
        )

    async def obstacle(self, run: Run, account: AcmeAccount, challenge: CaChallenge) -> str | None:
        """Return why the CA would not see our answer to *challenge*, or None when it would."""
        if self.probe is None:
            return None
        name = run.order.name
        key_authorization = f"{challenge.token}.{account.thumbprint}"  # RFC 8555 section 8.1
        seen = await self.probe.fetch(name, token=challenge.token, expected=key_authorization, known=run.dns_answer)
        if seen.outcome is ProbeOutcome.OK:
            return None
        return (
            f"the challenge for {name} is not answered from outside ({seen.detail}); "
            "its DNS must lead to this platform, and port 80 must be open"
        )
