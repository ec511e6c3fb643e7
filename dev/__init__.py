"""The workshop: what development and tests need, and no service imports.

* `dev/bootstrap`: makes a fresh machine able to run everything; `make` calls it first.
* `dev.guard`, `dev.program`: run a program so that nothing of it outlives whoever started it.
* `dev.ports`, `dev.folders`: free ports, loopback addresses and folders that no other run has.
* `dev.servers`: private RabbitMQ, PostgreSQL and Pebble instances, and a gate in front of Pebble.
"""
