"""The answers that prove control of a name to a certificate authority; pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeAnswer:
    """The *answer* to challenges of *kind* (`http-01`, ...) for *name*, published until *expires_at*.

    An empty *token* means that the answer holds for every token.
    """

    name: str
    kind: str
    answer: str
    expires_at: datetime
    token: str = ""
