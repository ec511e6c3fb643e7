"""What the provisioner needs from the world.

Every request to an authority has a *deadline* in the event loop's time (``loop.time()``): a worker sets it to ten
seconds before its lease ends, because fencing guards rows and not the authority. A request that is not answered by
then fails as an ``AuthorityError`` with ``Failure.TIMEOUT``.
"""

from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Protocol

from services.provisioner.rules.acme import Account, CaAuthorization, CaOrder, ExternalAccount
from services.provisioner.rules.preflight import Holding
from services.provisioner.rules.reachability import DnsAnswer, Probe
from shared.identifiers import DomainId

Known = Callable[[Sequence[str]], Awaitable[Container[str]]]
"""Returns which of an account's orders, given by their URLs, are ours already."""


class AcmeAccount(Protocol):
    """One account at one certificate authority, speaking RFC 8555.

    All methods raise ``AuthorityError`` and nothing else. Safe for many tasks at once. None may be given a name that
    is not an A-label in lower case.
    """

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint of the account's key; known before the account is registered."""

    async def register(
        self, *, contact: str | None, external_account: ExternalAccount | None, deadline: float
    ) -> Account:
        """Return the account of this key, made if there was none; idempotent (RFC 8555 section 7.3.1).

        The terms of service are agreed to in the operator's name. Other methods work after this, or when the
        account's URL was given from the start.
        """

    async def new_order(
        self, names: Sequence[str], *, profile: str | None = None, replaces: str | None = None, deadline: float
    ) -> CaOrder:
        """Return a new order for *names*, or the one that the authority re-uses for it.

        *replaces* (RFC 9773 section 5) is left out where the authority does not offer renewal information. When
        the answer is lost (``outcome_unknown``), look into ``unfinished_orders`` before asking again.
        """

    async def unfinished_orders(
        self, names: Sequence[str], *, known: Known | None = None, deadline: float
    ) -> tuple[CaOrder, ...]:
        """Return the account's pending and ready orders for exactly *names*; empty where the authority lists none.

        Those that are *known*, because our rows have them, are left out and not even looked at: that would take a
        request for each.
        """

    async def order(self, url: str, *, deadline: float) -> CaOrder:
        """Return the order as it stands."""

    async def settled(self, order: CaOrder, *, patience_seconds: float, deadline: float) -> CaOrder:
        """Return *order* as soon as its status is another, or as it still stands after *patience_seconds*.

        It is looked at soon at first and then less and less often, never before the authority's Retry-After; when
        that is later than the patience allows, the order is returned with its ``retry_after_seconds``.
        """

    async def authorization(self, url: str, *, deadline: float) -> CaAuthorization:
        """Return the authorization as it stands."""

    async def answer(self, challenge_url: str, *, deadline: float) -> None:
        """Tell the authority to validate; saying it twice is harmless while the challenge is pending."""

    async def finalize(self, order: CaOrder, csr_der: bytes, *, deadline: float) -> CaOrder:
        """Return *order* after asking for the certificate of this CSR.

        Repeating it with the same CSR is harmless: an order that is past it is refused (``orderNotReady``) and
        stands unchanged.
        """

    async def certificate(self, url: str, *, deadline: float) -> tuple[bytes, ...]:
        """Return the chain as DER, leaf first; repeatable."""


class CertificateAuthorities(Protocol):
    """The certificate authorities that this process can talk to, by the URL of their directory."""

    def account(self, *, directory_url: str, key_pkcs8: bytes, url: str | None) -> AcmeAccount:
        """Return the account that this key stands for; *url* is None until it is registered. No I/O."""

    def new_key(self) -> bytes:
        """Return a fresh account key as PKCS #8 DER; the caller seals it before it is stored."""


class Registrations(Protocol):
    """The domains that are registered."""

    async def holding(self, domain_id: DomainId) -> Holding:
        """Return whether the domain holds its name, as of now.

        Raises:
            UnknownDomainError: no domain has this id.
        """


class Dns(Protocol):
    """The DNS as the rest of the world sees it."""

    async def resolve(self, name: str) -> DnsAnswer:
        """Return the CNAMEs and addresses of *name* within five seconds; raises nothing."""


class Http01Probe(Protocol):
    """A look at our own HTTP-01 answer from outside, before the authority's look costs anything."""

    async def fetch(self, name: str, *, token: str, expected: str, known: DnsAnswer | None = None) -> Probe:
        """Return what port 80 of *name* answers for *token* (RFC 8555 section 8.3); raises nothing.

        *name* is resolved once, or not at all when the answer is *known* already. The connection goes to the addresses
        found, IPv6 first; the first that takes it decides.
        """
