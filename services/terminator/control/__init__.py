"""The control process: what a node knows, and the workers that it lets know.

It holds the vault's secret, the broker connection, the rows and the listening sockets, and never speaks to the
internet. A worker asks for a name (`workers`, `answers`); the rows come from `catalogue`, which reads the store in
batches and never keeps what a hint has overtaken; `offers` opens the key. A hint makes `swaps` read the row, have every
worker drop what it holds, and tell `certificate.deployed` when none can show the old certificate any more.
"""
