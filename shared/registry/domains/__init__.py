"""Registered domains: which tenant hosts which name. Requests may arrive twice, late and out of order.

A row belongs to one tenant and one name for ever: deleting leaves a tombstone, registering again revives it with its
id, and its version only grows (the database enforces that). A request that is older than the last one applied to its
row changes nothing.

A name has one row for each tenant that registered it. At most one of them holds the name: that one is served. Only
this package writes the table. Locks are taken in one order, so that transactions cannot deadlock:

1. the names: every function that registers, changes, attaches, deletes or transfers locks the name before any row of
   it. A transaction works on one name, except `attach_to_all`, which locks several in the order of their text;
2. the domains' rows;
3. the row of the certificate to attach, so that it cannot be deleted meanwhile;
4. the awaited attachments of the name. Deleting a certificate takes 3 and 4 only, in this order.
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
    Configuration,
    ConfigurationChanges,
    Domain,
    Effect,
    UnfitCertificateError,
    UnknownDomainError,
)
from shared.registry.domains.rows import claims_on, find, find_locked, get, holder_of, lock

__all__ = [
    "Applied",
    "Attached",
    "Configuration",
    "ConfigurationChanges",
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
