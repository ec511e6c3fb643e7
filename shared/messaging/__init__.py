"""The bus: RabbitMQ between the services, with the outbox and the inbox that make its promises hold.

* `topology.declare` makes exchanges, queues and policies; `principals.permit` the broker's users and what they may do.
* To publish a fact, call `shared.messaging.outbox.publish` in the transaction of the change. One `Relay` per service
  sends it: in order per key, confirmed, and then deleted. It may come twice; it is never lost.
* `Consumer` gives what others ask for to one handler per type, inside a transaction that already holds the inbox row:
  returning commits and acknowledges, `RefusedError` makes a dead letter, anything else is tried again, five times.
* `NodeListener` gives every node all facts as hints, on a queue of its own that ends with its connection.
* `Publisher` sends and waits for the broker's confirmation. `codec` is the format on the wire.
* Dead letters are rows (`shared.messaging.dead_letters`); `replay` publishes one again. `figures` counts what
  waits in queues.

A broker that goes away comes back: everything here reconnects by itself, with growing delays, and starts before the
broker is up. Only this package imports AMQP libraries; no other names, errors or types of theirs leave it.
"""
