"""The services, and how they talk.

``provisioner``  `domain.created` comes in; it registers the domain, orders the certificate at the ACME CA and tells
                 `certificate.ready`, or `certificate.failed` with the reason.
``terminator``   `certificate.ready` comes in; it serves that certificate to the world and tells `certificate.deployed`.

They meet only on RabbitMQ and in PostgreSQL. None imports another; what they share is in ``shared``.
"""
