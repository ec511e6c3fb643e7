"""The bus: RabbitMQ between the services, with the outbox and the inbox that make its promises hold.

* `broker/`: the connection (`link`), the exchanges, queues and policies (`topology`), the management API, the names.
* `codec/`: between events and messages: CloudEvents 1.0, read strictly.
* `outbox/`: call `outbox.publish` in the transaction of the change. One `Relay` per service sends the event: in order
  per key, confirmed, and then deleted. It may arrive twice; it is never lost.
* `inbox/`: a `Consumer` gives each request to the handler of its type, inside a transaction that already holds the
  inbox row. Returning commits and acknowledges, `RefusedError` makes a dead letter, after any other error it is tried
  again, as often as the service's limit allows (`topology.DELIVERY_LIMITS`).
* `listener`: gives every node all facts as hints, on a queue of its own that ends with its connection.
* `publisher`: sends messages and waits for the broker's confirmation.
* `dead_letters`: messages that were refused or not handled, as rows. `certsmith dead-letters replay` publishes one
  again.
* `message`, `metrics`: what a message is here, and what is measured.

Everything here reconnects by itself, with growing delays, and starts before the broker is up. Only this package imports
AMQP libraries; no other names, errors or types of theirs leave it.
"""
