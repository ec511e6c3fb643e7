"""Identifiers: a prefix for the kind of object, and 24 random letters and digits (124 bits).

They are lower case, because a domain's identifier is also a DNS label: `rd_x` is looked up as `rd-x.<platform zone>`.
"""

import secrets
import uuid
from typing import NewType

DomainId = NewType("DomainId", str)
CertificateId = NewType("CertificateId", str)
KeyId = NewType("KeyId", str)
OrderId = NewType("OrderId", str)
AccountId = NewType("AccountId", str)
EventId = NewType("EventId", str)

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH = 24


def _random() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_domain_id() -> DomainId:
    """Return an identifier for a registered domain, `rd_…`."""
    return DomainId(f"rd_{_random()}")


def new_certificate_id() -> CertificateId:
    """Return an identifier for a certificate, `cert_…`."""
    return CertificateId(f"cert_{_random()}")


def new_key_id() -> KeyId:
    """Return an identifier for a sealed key, `key_…`."""
    return KeyId(f"key_{_random()}")


def new_order_id() -> OrderId:
    """Return an identifier for an order, `ord_…`."""
    return OrderId(f"ord_{_random()}")


def new_account_id() -> AccountId:
    """Return an identifier for an ACME account, `acct_…`."""
    return AccountId(f"acct_{_random()}")


def new_event_id() -> EventId:
    """Return an identifier for an event: a random UUID (RFC 9562 version 4)."""
    return EventId(str(uuid.uuid4()))


def cname_label(domain_id: DomainId) -> str:
    """Return the DNS label of *domain_id* in the platform's zone (RFC 1123: no underscore in a host name)."""
    return domain_id.replace("_", "-")
