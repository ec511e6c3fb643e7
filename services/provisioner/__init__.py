"""The provisioner: obtains a certificate from an ACME CA for every hosted domain. It does not renew by itself yet.

Consumes   `domain.created`, `domain.updated`, `domain.deleted`, `certificate.renewal_requested`, and
           `certificate.revocation_requested`, which this release refuses.
Publishes  `domain.changed`, `domain.rejected`, `certificate.ready`, `certificate.failed`.
Owns       the tables of schema `provisioner`, the challenges, and the automatic certificates.

Read `app` (how the parts are joined), `handlers` (which rows a message causes), `worker` (claims due orders), `runner`
(commits what each step returns), `steps` (one file for each step of an order), and the pure rules in `rules`.
"""
