"""Registered domains: who hosts which name, told by requests that come twice, late and out of order.

A row belongs to one tenant and one name for ever: deleting leaves a tombstone, registering again revives it with its
id, and its version only grows (the database sees to that). A request that is older than the last one applied to its row
changes nothing.

A name has one row for each tenant that registered it, of which at most one holds the name: that one is served. Only
this package writes the table. Locks are taken in one order, so that nobody waits for who waits for him:

1. the names: who registers, changes, attaches, deletes or transfers takes the name's lock before any row of it. A
   transaction works on one name; only `attach_to_all` works on several, and takes them in the order of their text;
2. the domains' rows;
3. the row of the certificate to attach, against its deletion;
4. what is awaited for the name. Deleting a certificate takes 3 and 4 only, in this order.
"""

from shared.registry.domains.attaching import attach, attach_to_all
from shared.registry.domains.lifecycle import (
    delete,
    erase_keys,
    register,
    set_automatic_certificate,
    transfer_name,
    update,
)
from shared.registry.domains.model import (
    Applied,
    Attached,
    Changes,
    Configuration,
    Domain,
    Effect,
    UnfitCertificateError,
    UnknownDomainError,
)
from shared.registry.domains.rows import claims_on, find, find_locked, get, holder_of, lock

__all__ = [
    "Applied",
    "Attached",
    "Changes",
    "Configuration",
    "Domain",
    "Effect",
    "UnfitCertificateError",
    "UnknownDomainError",
    "attach",
    "attach_to_all",
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
