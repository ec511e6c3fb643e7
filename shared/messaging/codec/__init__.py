"""The codec between events and AMQP messages: CloudEvents 1.0, read strictly."""
