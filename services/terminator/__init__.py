"""The terminator: serves every hosted domain over HTTPS, and swaps certificates without dropping a connection.

Consumes   `certificate.ready`, `certificate.revoked`, `domain.changed`: hints; the row says what is served.
Publishes  `certificate.deployed`, when no handshake of this node can show an older certificate.
Owns       `terminator.deployments` and `terminator.staples`; the listening sockets; the only processes that hold
           opened keys of stored certificates.

Read `app` (how the parts are joined), `handlers` (the hints), `control` (one process: the store, the vault, the broker,
the sockets), `worker` (one process for each core, facing the internet), `messages` (what these two send each other) and
`rules` (which certificate is chosen). HTTP-01 is answered in `worker.http.http01`.
"""
