"""Phrases for messages to people: names of certificates, lists and dates, on one line, without control characters."""

from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from shared.judging.certificate.reading import UNREADABLE, value
from shared.sentences import some_of

_LONGEST: Final = 80  # leaves room on a line for the rest of the sentence


def shown(text: str) -> str:
    """Return the untrusted *text*, shortened to fit a line and with control characters escaped."""
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    if cut.isprintable():
        return cut
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in cut)


def named(name: x509.Name) -> str:
    """Return a short form of the distinguished *name*: its common name if it has one."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    if common:
        return shown(f"CN={_text(common[-1])}")
    if not name.rdns:
        return "(no name)"
    return shown(",".join(f"{part.rfc4514_attribute_name}={_text(part)}" for part in list(name)[-4:][::-1]))


def called(certificate: x509.Certificate, where: str) -> str:
    """Return the name by which messages call *certificate*: its number (*where* without the line) and its subject."""
    return f"{where.partition(' (')[0]} ({named(certificate.subject)})"


def publication(certificate: x509.Certificate) -> str:
    """Return a parenthesis with the URL of the issuer's certificate, as *certificate* gives it; '' if it gives none."""
    try:
        descriptions = value(certificate, x509.AuthorityInformationAccess) or ()
    except UNREADABLE:
        return ""
    for description in descriptions:
        location = description.access_location
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return f" (it is published at {shown(location.value)})"
    return ""


def listed(names: list[str], most: int = 10) -> str:
    """Return *names* joined for a sentence; of those beyond the first *most*, only the number."""
    return some_of([shown(name) for name in names], most=most)


def dated(instant: datetime) -> str:
    """Return *instant* as people read it, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _text(attribute: x509.NameAttribute[str | bytes]) -> str:
    return attribute.value if isinstance(attribute.value, str) else attribute.value.hex()
