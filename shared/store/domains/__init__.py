"""Registered domains: who hosts which name, told by requests that come twice, late and out of order.

A row belongs to one tenant and one name for ever: deleting leaves a tombstone, registering again revives it with its
id, and its version only grows (the database sees to that). A request that is older than the last one applied to its row
changes nothing.

A name has one row for each tenant that registered it, of which at most one holds the name: that one is served. Who
registers, changes, deletes or transfers takes the name's lock first, then its rows; so one transaction works on one
name, and takes the name before any row of it. Only this package writes the table, but for the validator's and the
API's `attached_certificate_id`.
"""

from shared.store.domains.lifecycle import (
    delete,
    erase_keys,
    register,
    set_automatic_certificate,
    transfer_name,
    update,
)
from shared.store.domains.model import (
    Applied,
    Changes,
    Configuration,
    Domain,
    Outcome,
    UnfitCertificateError,
    UnknownDomainError,
)
from shared.store.domains.rows import claims_on, find, find_locked, get, holder_of, lock

__all__ = [
    "Applied",
    "Changes",
    "Configuration",
    "Domain",
    "Outcome",
    "UnfitCertificateError",
    "UnknownDomainError",
    "claims_on",
    "delete",
    "erase_keys",
    "find",
    "find_locked",
    "get",
    "holder_of",
    "lock",
    "register",
    "set_automatic_certificate",
    "transfer_name",
    "update",
]
