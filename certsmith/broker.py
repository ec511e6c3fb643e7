"""The broker's addresses, checked before use, so that a malformed one is reported as a wrong setting."""

from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.messaging.broker.link import address_of
from shared.settings import ConnectionSettings


def amqp_url_of(settings: ConnectionSettings) -> str:
    """Return the AMQP address.

    Raises:
        SettingsError: the setting is not an AMQP address.
    """
    url = settings.amqp_url.get_secret_value()
    address_of(url)
    return url


def management_url_of(settings: ConnectionSettings) -> str:
    """Return the address of the management API.

    Raises:
        SettingsError: the setting, or the AMQP address that it defaults from, is not a valid address.
    """
    amqp_url_of(settings)
    try:
        url = settings.management_url
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises ValueError if it is not a number
    except ValueError:
        is_valid, url = False, ""
    if not is_valid:
        raise SettingsError(
            "AMQP_MANAGEMENT_URL: this is not an HTTP address; set it to one such as http://user:password@host:15672"
        )
    return url
