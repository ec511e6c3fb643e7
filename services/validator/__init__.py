"""The validator: judges the certificates that customers upload, then stores them, or rejects them with every reason.

Consumes   `certificate.uploaded`, `certificate.deletion_requested`.
Publishes  `certificate.ready`, `certificate.rejected`, `domain.changed`, `certificate.expiring`, `certificate.deleted`,
           `certificate.deletion_refused`.
Owns       the tables of schema `validator`, and the uploaded certificates.

Read `app` (the composition root), `handlers` (events become rows), `worker` (claims uploads and has them judged),
`verdict` (one upload, from its envelope to its verdict), `sandbox` (the processes that judge) and `store` (SQL). Beside
them, `expiring` warns before certificates expire, `pruning` deletes old rows, `backlog` counts for the metrics. The
rules for bundles and keys are in `shared.judging`, the validator's own in `rules`.
"""
