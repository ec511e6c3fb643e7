"""An ACME account that records its requests and answers as the test says: the port `AcmeAccount`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.provisioner.ports import Known
from services.provisioner.rules.acme import (
    Account,
    AuthorizationStatus,
    CaAuthorization,
    CaChallenge,
    CaOrder,
    ChallengeStatus,
    ExternalAccount,
    OrderStatus,
)

URL = "https://ca.test/order/1"
AUTHORIZATION_URL = "https://ca.test/authz/1"
CHALLENGE_URL = "https://ca.test/chall/1"
CERTIFICATE_URL = "https://ca.test/cert/1"


def a_ca_order(status: OrderStatus = OrderStatus.PENDING, *, url: str = URL) -> CaOrder:
    """Return an order at the CA."""
    return CaOrder(
        url=url,
        status=status,
        names=("shop.example.com",),
        authorization_urls=(AUTHORIZATION_URL,),
        finalize_url=f"{url}/finalize",
        certificate_url=CERTIFICATE_URL if status is OrderStatus.VALID else None,
    )


def an_authorization(
    status: AuthorizationStatus = AuthorizationStatus.PENDING,
    *,
    kind: str = "http-01",
    challenge: ChallengeStatus = ChallengeStatus.PENDING,
) -> CaAuthorization:
    """Return an authorization with one challenge."""
    return CaAuthorization(
        url=AUTHORIZATION_URL,
        name="shop.example.com",
        wildcard=False,
        status=status,
        challenges=(CaChallenge(type=kind, url=CHALLENGE_URL, status=challenge, token="dG9r"),),
    )


@dataclass(slots=True, kw_only=True)
class RecordingAcmeAccount:
    """Answers with what its fields say; *requests* has every request, in order.

    *order_now* is the order as the CA shows it. `settled` shows it with the status *settles_as*, `finalize` with
    *finalizes_as*.
    """

    order_now: CaOrder = field(default_factory=a_ca_order)
    settles_as: OrderStatus = OrderStatus.READY
    finalizes_as: OrderStatus = OrderStatus.PROCESSING
    authorization_now: CaAuthorization = field(default_factory=an_authorization)
    unfinished: tuple[CaOrder, ...] = ()
    chain: tuple[bytes, ...] = ()
    thumbprint: str = "thumb"
    requests: list[tuple[str, object]] = field(default_factory=list)

    async def register(
        self, *, contact: str | None, external_account: ExternalAccount | None, deadline: float
    ) -> Account:
        """Return the account."""
        self.requests.append(("register", contact))
        return Account(url="https://ca.test/account/1", thumbprint=self.thumbprint)

    async def new_order(
        self, names: Sequence[str], *, profile: str | None = None, replaces: str | None = None, deadline: float
    ) -> CaOrder:
        """Return the order."""
        self.requests.append(("new_order", tuple(names)))
        return self.order_now

    async def unfinished_orders(
        self, names: Sequence[str], *, known: Known | None = None, deadline: float
    ) -> tuple[CaOrder, ...]:
        """Return the unfinished orders that are not *known*."""
        self.requests.append(("unfinished_orders", tuple(names)))
        ours = await known([order.url for order in self.unfinished]) if known is not None else ()
        return tuple(order for order in self.unfinished if order.url not in ours)

    async def order(self, url: str, *, deadline: float) -> CaOrder:
        """Return the order."""
        self.requests.append(("order", url))
        return self.order_now

    async def settled(self, order: CaOrder, *, patience_seconds: float, deadline: float) -> CaOrder:
        """Return the order in its next status."""
        self.requests.append(("settled", order.url))
        return self._in_status(self.settles_as)

    async def authorization(self, url: str, *, deadline: float) -> CaAuthorization:
        """Return the authorization."""
        self.requests.append(("authorization", url))
        return self.authorization_now

    async def answer(self, challenge_url: str, *, deadline: float) -> None:
        """Do nothing."""
        self.requests.append(("answer", challenge_url))

    async def finalize(self, order: CaOrder, csr_der: bytes, *, deadline: float) -> CaOrder:
        """Return the order after the CSR."""
        self.requests.append(("finalize", csr_der))
        return self._in_status(self.finalizes_as)

    async def certificate(self, url: str, *, deadline: float) -> tuple[bytes, ...]:
        """Return the chain."""
        self.requests.append(("certificate", url))
        return self.chain

    @property
    def asked(self) -> list[str]:
        """The names of the requests, in order."""
        return [name for name, _ in self.requests]

    def _in_status(self, status: OrderStatus) -> CaOrder:
        certificate_url = CERTIFICATE_URL if status is OrderStatus.VALID else None
        return replace(self.order_now, status=status, certificate_url=certificate_url)
