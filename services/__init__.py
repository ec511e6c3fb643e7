"""The services, and how they work together.

``provisioner``  receives `domain.created`, registers the domain, orders the certificate from the ACME CA and publishes
                 `certificate.ready`, or `certificate.failed` with the reason.
``validator``    receives `certificate.uploaded`, a customer's own certificate, judges it and publishes
                 `certificate.ready`, or `certificate.rejected` with every reason.
``terminator``   receives `certificate.ready`, serves the certificate and publishes `certificate.deployed`.

This is the main path; the docstring of each service lists all events that it consumes and publishes. Services meet only
on RabbitMQ and in PostgreSQL. No service imports another; the code they share is in ``shared``. The command line is
the fourth program, in ``certsmith``.
"""
