"""Judging a customer's own certificate and key as an expert would: every reason against it, in words for people.

`judge` is the way in. It is pure: the time, the trusted roots and the domain are arguments, nothing is fetched, nothing
is stored. The validator judges uploads with it, and `certsmith validate` judges files.
"""

from shared.judging.bundle import read_trust
from shared.judging.judge import judge
from shared.judging.model import Finding, Judgement, Link, Rule
from shared.judging.weakness import warm_up

__all__ = ["Finding", "Judgement", "Link", "Rule", "judge", "read_trust", "warm_up"]
