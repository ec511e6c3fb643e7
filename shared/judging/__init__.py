"""Judge a customer's certificate and key as an expert would: report every reason to reject them, in plain sentences.

Call `judge`. It is pure: the time, the trusted roots and the domain are arguments; it fetches nothing and stores
nothing. The validator judges uploads with it, and `certsmith validate` judges files.

In the order in which an upload passes through::

    pem/          pem_rules  blocks  wrong_formats      the text: PEM (RFC 7468), or another format sent instead
    key/          kinds  accepted_keys                  the type and size of a key, from its encoding alone
    chain/        bundle                                the certificates of the bundle
    key/          private_key                           the private key
    certificate/  profile  leaf  identities             the server's certificate and its names
    chain/        order  signing  chain  authorities    the order and the signatures; the authorities and their limits:
                  constraints  policies                 name constraints and certificate policies;
                  roots  verifier                       known roots; a second opinion by cryptography
    certificate/  warnings                              things that could be better, though nothing is wrong
    key/          matching  weakness  loading           key and leaf belong together, are strong, and load in OpenSSL

    judge         runs all of these checks
    model         rules, findings and judgements
    catalogue     every rule, as listed in `docs/validation.md`
    der, certificate/reading, phrases                   used by several: DER, damaged certificates, words for messages
"""

from shared.judging.chain.bundle import read_trust
from shared.judging.judge import judge
from shared.judging.key.weakness import warm_up
from shared.judging.model import CertificateSummary, Finding, Judgement, Rule

__all__ = ["CertificateSummary", "Finding", "Judgement", "Rule", "judge", "read_trust", "warm_up"]
