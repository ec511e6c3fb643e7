"""The validator: judges customers' own certificates, and stores them or rejects them with every reason.

Consumes   `certificate.uploaded`, `certificate.deletion_requested`.
Publishes  `certificate.ready`, `certificate.rejected`, `domain.changed`, `certificate.expiring`, `certificate.deleted`,
           `certificate.deletion_refused`.
Owns       the tables of schema `validator`, and the uploaded certificates.

Read `app` (how the parts are joined), `handlers` (which rows a message causes), `worker` (claims received uploads),
`verdict` (from the envelope to the verdict), `sandbox` (the processes that judge: `sandbox.pool` runs them,
`sandbox.inside` is what runs in them), `rules` and `store`. The rules for certificates are in `shared.judging`.
"""
