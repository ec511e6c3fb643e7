"""How certificates are called in sentences for people: short, on one line, nothing in it that a terminal obeys."""

from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from shared.judging.certificate.reading import UNREADABLE, value

_LONGEST: Final = 80  # what a line holds beside the rest of a sentence


def shown(text: str) -> str:
    """Return *text*, which a stranger wrote, cut to a line and with control characters escaped."""
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    if cut.isprintable():
        return cut
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in cut)


def named(name: x509.Name) -> str:
    """Return the distinguished *name* as people call it: its common name if it has one."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    if common:
        return shown(f"CN={_text(common[-1])}")
    if not name.rdns:
        return "(no name)"
    return shown(",".join(f"{part.rfc4514_attribute_name}={_text(part)}" for part in list(name)[-4:][::-1]))


def called(certificate: x509.Certificate, where: str) -> str:
    """Return how *certificate* is called: its number (of *where* it stands, without the line) and its subject."""
    return f"{where.partition(' (')[0]} ({named(certificate.subject)})"


def publication(certificate: x509.Certificate) -> str:
    """Return where *certificate* says that its issuer's is to be had, to be put into a sentence; maybe nothing."""
    try:
        ways = value(certificate, x509.AuthorityInformationAccess) or ()
    except UNREADABLE:
        return ""
    for way in ways:
        place = way.access_location
        if way.access_method == AuthorityInformationAccessOID.CA_ISSUERS and isinstance(
            place, x509.UniformResourceIdentifier
        ):
            return f" (it is published at {shown(place.value)})"
    return ""


def listed(names: list[str], most: int = 10) -> str:
    """Return *names* joined for a sentence, the rest counted when there are more than *most*."""
    if not names:
        return "none"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + rest


def dated(instant: datetime) -> str:
    """Return *instant* as a person reads it."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _text(attribute: x509.NameAttribute[str | bytes]) -> str:
    return attribute.value if isinstance(attribute.value, str) else attribute.value.hex()
