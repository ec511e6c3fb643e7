"""A worker: one process that faces the internet and holds as little as possible.

It has no store, no broker, no vault, and no secret in its environment. What it needs to know about a name, it asks the
control process over the one socket that it was started with (`link`).

A connection is handled by one protocol after the other on the same transport. For HTTPS: `tls.client_hello_wait` reads
the ClientHello and finds the name's context, `tls.handshake` shakes hands, then `tls.tunnel` forwards bytes both ways,
or `http.error_page` answers with a page. `tls.lingering_close` ends a connection so that its last bytes arrive. For
port 80: `http.port80`. Each of these files declares the resources that its protocol uses; `app` makes them.

ACME challenges: HTTP-01 is answered in `http.http01`, on port 80. TLS-ALPN-01 (RFC 8737) is not supported: a handshake
that offers `acme-tls/1` is refused in `tls.client_hello_wait`. Its answer would be `tls/tls_alpn01.py`, called there.
"""
