"""The provisioner: every hosted domain gets its certificate from an ACME CA, and keeps it.

Consumes   `domain.created`, `domain.updated`, `domain.deleted`, `certificate.renewal_requested`.
Publishes  `domain.changed`, `domain.rejected`, `certificate.ready`, `certificate.failed`.
Owns       the tables of schema `provisioner`, the challenges, and the automatic certificates.

Read `app` (what is joined to what), `handlers` (what a message causes: rows), `worker` (who takes a due order),
`issuance` (one step for each state of an order), and the pure rules: `orders`, `preflight`, `backoff`.
"""
