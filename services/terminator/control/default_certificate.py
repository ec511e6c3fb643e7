"""The platform's own certificate, for names that are not hosted here or have no certificate yet.

Without one in the settings, each node makes a self-signed one. Visitors of such names get a browser warning either way,
and behind it an answer (421) that explains it.
"""

import datetime as dt
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from shared.errors import SettingsError
from shared.tls import new_context

_NAME: Final = "no such site"
_LIFETIME: Final = dt.timedelta(days=3650)
_SKEW: Final = dt.timedelta(hours=1)


def load(certificate_file: Path, key_file: Path) -> tuple[tuple[bytes, ...], bytes]:
    """Return the chain (DER, leaf first) and the key (PKCS #8 DER) in two PEM files.

    Raises:
        SettingsError: they cannot be read, or are not a certificate and its key.
    """
    try:
        chain = tuple(
            certificate.public_bytes(Encoding.DER)
            for certificate in x509.load_pem_x509_certificates(certificate_file.read_bytes())
        )
        key = load_pem_private_key(key_file.read_bytes(), None).private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        )
        new_context(chain, key)
    except OSError as error:
        raise SettingsError(f"the default certificate: {error.filename} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, SSL.Error) as error:
        # The error's own text is left out: it may quote the key.
        raise SettingsError(
            f"the default certificate: {certificate_file} and {key_file} are not a PEM certificate and its unencrypted "
            f"private key ({type(error).__name__})"
        ) from None
    return chain, key


def make(now: dt.datetime) -> tuple[tuple[bytes, ...], bytes]:
    """Return a new self-signed certificate, as a chain of one, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (certificate.public_bytes(Encoding.DER),), key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
