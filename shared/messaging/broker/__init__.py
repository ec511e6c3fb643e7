"""The connection to RabbitMQ, and what `certsmith migrate` declares there."""
