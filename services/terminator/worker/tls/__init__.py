"""One TLS connection, from the ClientHello to the last byte: each step is a protocol on the same transport."""
