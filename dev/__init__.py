"""Development and test tooling. No service imports it.

* `dev/bootstrap`: installs everything that a fresh machine lacks; `make` calls it first.
* `dev.guard`, `dev.program`: run a program so that none of its processes outlives the process that started it.
* `dev.ports`, `dev.folders`: free ports, loopback addresses and folders that no other run uses.
* `dev.servers`: private RabbitMQ, PostgreSQL and Pebble instances, and a gate in front of Pebble.
* `dev.platform`: all services as processes on these servers, for tests and benchmarks; `dev.waiting`: waits for them.
* `dev.demo`: `make demo`. `dev.asyncapi`, `dev.order_states`: generate parts of the documentation.
"""
