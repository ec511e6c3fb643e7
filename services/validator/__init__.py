"""The validator: customers' own certificates are judged as an expert would, and stored, or refused with every reason.

Consumes   `certificate.uploaded`, `certificate.deletion_requested`.
Publishes  `certificate.ready`, `certificate.rejected`, `domain.changed`, `certificate.expiring`, `certificate.deleted`,
           `certificate.deletion_refused`.
Owns       the tables of schema `validator`, and the uploaded certificates.

Read `app` (what is joined to what), `handlers` (what a message causes: rows), `worker` (who takes a waiting upload),
`judging` (from its envelope to its verdict), `judges` (the processes that look at it, from outside), `judge` (one of
them, from inside), `wire` (what the two say to each other) and `store`. The rules are in `shared.judging`.
"""
