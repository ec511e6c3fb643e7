"""The limits of a certificate authority that all workers share; pure.

`services.provisioner.store.budgets` counts them, as token buckets in PostgreSQL.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.names import registered_domain

NEW_ORDERS: Final = "new_orders"
REGISTERED_DOMAIN: Final = "registered_domain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of the CA *ca*: at most *capacity* in *period* for *subject*, such as an account."""

    ca: str
    scope: str
    subject: str
    capacity: int
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """How much the CA allows. The defaults are Let's Encrypt's."""

    new_orders_per_3_hours: int = 300
    certificates_per_week: int = 50

    def of_account(self, ca: str, account_id: str) -> Limit:
        """Return the limit of new orders for an account."""
        return Limit(
            ca=ca,
            scope=NEW_ORDERS,
            subject=account_id,
            capacity=self.new_orders_per_3_hours,
            period=timedelta(hours=3),
        )

    def of_registered_domain(self, ca: str, name: str) -> Limit:
        """Return the limit of certificates for a registered domain, `example.com` of `www.example.com`."""
        return Limit(
            ca=ca,
            scope=REGISTERED_DOMAIN,
            subject=registered_domain(name),
            capacity=self.certificates_per_week,
            period=timedelta(days=7),
        )
