"""Libraries that at least two programs use. Nothing here imports a program.

::

    events     what is published and consumed, with the public lists of codes and states
    registry   hosted domains, certificates and tenants: rules and SQL
    messaging  RabbitMQ: consumer, publisher, outbox, inbox, dead letters
    store      PostgreSQL: pools, roles, migrations, leases
    vault      sealed keys and key rings
    judging    the rules for uploaded bundles and keys
    process    the parts of every process: start and stop, health, leased work, confinement

Single modules: settings, logs, errors, identifiers, names, upstreams, certificates, tls and
sentences. The rules of a single service stay with it. `judging` is here because `certsmith validate` applies the
validator's rules too (`docs/decisions/0006`).
"""
