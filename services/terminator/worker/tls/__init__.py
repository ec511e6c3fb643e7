"""One TLS connection, from the ClientHello to the last byte: each step is a protocol on the same transport.

The place of TLS-ALPN-01 (RFC 8737), if it is added: a file `tls_alpn01.py` here, called by `client_hello_wait`, which
refuses the protocol `acme-tls/1` today.
"""
