"""The addresses of the broker, looked at before they are used, so that a wrong one is a setting and not a crash."""

from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.messaging.broker.link import address_of
from shared.settings import ConnectionSettings


def amqp_url_of(settings: ConnectionSettings) -> str:
    """Return the AMQP address.

    Raises:
        SettingsError: it is none.
    """
    url = settings.amqp_url.get_secret_value()
    address_of(url)
    return url


def management_url_of(settings: ConnectionSettings) -> str:
    """Return the address of the management API.

    Raises:
        SettingsError: it, or the AMQP address that it follows from, is none.
    """
    amqp_url_of(settings)
    try:
        url = settings.management_url
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError:
        is_one, url = False, ""
    if not is_one:
        raise SettingsError("AMQP_MANAGEMENT_URL: an address such as http://user:password@host:15672 is needed")
    return url
