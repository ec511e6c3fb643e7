"""The terminator: every hosted domain answers over HTTPS with its certificate, swapped without dropping a connection.

Consumes   `certificate.ready`, `certificate.revoked`, `domain.changed`: hints; the row says what is.
Publishes  `certificate.deployed`, when none of its handshakes can show an older certificate.
Owns       `terminator.deployments`; the listening sockets; the only processes that hold opened private keys.

Read `app` (what is joined to what), `control` (one process: the store, the vault, the broker, the sockets), `worker`
(one process a core, facing the internet), `wire` (what these two say to each other) and `rules` (which certificate).
"""
