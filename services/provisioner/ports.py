"""The interfaces through which the provisioner uses CAs, the DNS and the registry.

Every request to a CA has a *deadline* in the event loop's time (``loop.time()``). A worker sets it to ten seconds
before its lease expires, because fencing protects rows and not the CA. A request that is not answered by then fails as
an ``AuthorityError`` with ``Failure.TIMEOUT``.
"""

from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Protocol

from services.provisioner.rules.acme import Account, CaAuthorization, CaOrder, ExternalAccount
from services.provisioner.rules.preflight import Holding
from services.provisioner.rules.reachability import DnsAnswer, Probe
from shared.identifiers import DomainId

Known = Callable[[Sequence[str]], Awaitable[Container[str]]]
"""Returns which of an account's orders, given by their URLs, have a row already."""


class AcmeAccount(Protocol):
    """One account at one certificate authority (RFC 8555).

    All methods raise ``AuthorityError`` and nothing else, and are safe for many tasks at once. Names must be A-labels
    in lower case.
    """

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint of the account's key; known before the account is registered."""

    async def register(
        self, *, contact: str | None, external_account: ExternalAccount | None, deadline: float
    ) -> Account:
        """Return the account of this key; create it if there is none. Idempotent (RFC 8555 section 7.3.1).

        This agrees to the terms of service in the operator's name. Other methods need the account's URL: from here, or
        given when the account was opened.
        """

    async def new_order(
        self, names: Sequence[str], *, profile: str | None = None, replaces: str | None = None, deadline: float
    ) -> CaOrder:
        """Return a new order for *names*, or the one that the CA re-uses for it.

        *replaces* (RFC 9773 section 5) is left out if the CA does not offer renewal information. When the answer is
        lost (``outcome_unknown``), look into ``unfinished_orders`` before asking again.
        """

    async def unfinished_orders(
        self, names: Sequence[str], *, known: Known | None = None, deadline: float
    ) -> tuple[CaOrder, ...]:
        """Return the account's pending and ready orders for exactly *names*; empty if the CA lists none.

        Orders that are *known*, because rows of ours name them, are left out and not read: each would take a request.
        """

    async def order(self, url: str, *, deadline: float) -> CaOrder:
        """Return the order as it is now."""

    async def settled(self, order: CaOrder, *, patience_seconds: float, deadline: float) -> CaOrder:
        """Return *order* as soon as its status changes, or unchanged after *patience_seconds*.

        The order is read at growing intervals, never before the CA's Retry-After. When that is later than the patience
        allows, the order is returned with its ``retry_after_seconds``.
        """

    async def authorization(self, url: str, *, deadline: float) -> CaAuthorization:
        """Return the authorization as it is now."""

    async def answer(self, challenge_url: str, *, deadline: float) -> None:
        """Ask the CA to validate; asking twice is harmless while the challenge is pending."""

    async def finalize(self, order: CaOrder, csr_der: bytes, *, deadline: float) -> CaOrder:
        """Send the CSR, and return *order* as it is afterwards.

        Repeating it with the same CSR is harmless: for an order that was finalized before, the CA refuses the request
        (``orderNotReady``) and changes nothing.
        """

    async def certificate(self, url: str, *, deadline: float) -> tuple[bytes, ...]:
        """Return the chain as DER, leaf first; repeatable."""


class CertificateAuthorities(Protocol):
    """The certificate authorities that this process can use, by the URL of their directory."""

    def account(self, *, directory_url: str, key_pkcs8: bytes, url: str | None) -> AcmeAccount:
        """Return the account of this key, without any I/O; *url* is None until it is registered."""

    def new_key(self) -> bytes:
        """Return a new account key as PKCS #8 DER; the caller seals it before it is stored."""


class Registrations(Protocol):
    """The registered domains."""

    async def holding(self, domain_id: DomainId) -> Holding:
        """Return whether this domain, another one or none holds the name now. Only the domain that holds it is served.

        Raises:
            UnknownDomainError: no domain has this id.
        """


class Dns(Protocol):
    """The public DNS."""

    async def resolve(self, name: str) -> DnsAnswer:
        """Return the CNAMEs and addresses of *name* within five seconds. Raises nothing."""


class Http01Probe(Protocol):
    """A request for our own HTTP-01 answer from outside, before the CA's request, which costs the order if it fails."""

    async def fetch(self, name: str, *, token: str, expected: str, known: DnsAnswer | None = None) -> Probe:
        """Return the answer of port 80 of *name* for *token* (RFC 8555 section 8.3). Raises nothing.

        *name* is resolved once, or not at all when the answer of the DNS is *known* already. The addresses are tried in
        turn, IPv6 first; the first that accepts a connection decides.
        """
