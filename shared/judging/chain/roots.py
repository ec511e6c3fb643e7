"""The roots that browsers trust, from the package certifi."""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from shared.judging.certificate.reading import UNREADABLE

Index = Mapping[bytes, Sequence[x509.Certificate]]  # roots by subject (DER), for looking up an issuer


def index(roots: Sequence[x509.Certificate]) -> Index:
    """Return *roots* as an index, without those whose names cannot be read."""
    found = defaultdict(list)
    for root in roots:
        with suppress(*UNREADABLE):
            _ = root.issuer
            found[root.subject.public_bytes()].append(root)
    return dict(found)


@cache
def public() -> Index:
    """Return the public roots by subject (DER). Each process reads them once, in 10 ms."""
    with warnings.catch_warnings():
        # Six old roots have the serial number zero; RFC 5280 section 6.1 sets no rule for a trust anchor's.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return index(x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes()))
