"""The terminator: serves every hosted domain over HTTPS with its certificate, swapped without dropping a connection.

Consumes   `certificate.ready`, `certificate.revoked`, `domain.changed`: hints; the row says what holds.
Publishes  `certificate.deployed`, when none of its handshakes can show an older certificate.
Owns       `terminator.deployments` and `terminator.staples`; the listening sockets; the only processes that hold
           opened private keys.

Read `app` (how the parts are joined), `control` (one process: the store, the vault, the broker, the sockets), `worker`
(one process for each core, facing the internet), `messages` (what these two send each other) and `rules` (which
certificate is chosen).
"""
