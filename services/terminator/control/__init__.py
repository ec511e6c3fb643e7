"""The control process of a node: what the node knows, and its workers.

It holds the vault's secret, the broker connection, the database connection and the listening sockets, and never talks
to the internet. A worker asks about a name (`workers`, `channel`, `answers`). The rows come from `catalogue`, which
reads the store in `batches` and never keeps a row that is older than a hint about it; `offers` opens the key. On a
hint, `swaps` reads the row, has every worker drop what it holds, and publishes `certificate.deployed` (`deployments`)
when no worker can show the old certificate.
"""
