"""Judging a customer's own certificate and key as an expert would: every reason against it, in words for people.

`judge` is the way in. It is pure: the time, the trusted roots and the domain are arguments, nothing is fetched, nothing
is stored. The validator judges uploads with it, and `certsmith validate` judges files.

In the order in which an upload goes through them::

    armour  pem  disguises          text: blocks of PEM (RFC 7468), and what was given instead
    der  kinds  taken               which kind of key it is, before anybody computes with it
    bundle  keys                    the certificates of the bundle; the key
    leaf  identities                the server's certificate; its names
    order  chain  authorities       who signed whom, and whether those may
    constraints  policies  verifier
    matching  weakness  loading     the pair: one key, not a weak one, and OpenSSL takes both
    judge                           all of them, one after another
    catalogue                       all rules, as `docs/validation.md` lists them
"""

from shared.judging.chain.bundle import read_trust
from shared.judging.judge import judge
from shared.judging.key.weakness import warm_up
from shared.judging.model import Finding, Judgement, Link, Rule

__all__ = ["Finding", "Judgement", "Link", "Rule", "judge", "read_trust", "warm_up"]
