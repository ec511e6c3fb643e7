"""The services, and how they talk.

``provisioner``  `domain.created` comes in; it registers the domain, orders the certificate at the ACME CA and tells
                 `certificate.ready`, or `certificate.failed` with the reason.
``validator``    `certificate.uploaded` comes in, a customer's own; it judges it and tells `certificate.ready`, or
                 `certificate.rejected` with every reason.
``terminator``   `certificate.ready` comes in; it serves that certificate to the world and tells `certificate.deployed`.

They meet only on RabbitMQ and in PostgreSQL. None imports another; what they share is in ``shared``.
"""
