"""A worker: faces the internet, and has nothing else.

No store, no broker, no vault, no secret in its environment: what it needs for a name, it asks the control process for,
over the one socket that it was started with (`link`).

A connection is one protocol after the other on the same transport: `greeting` (until the ClientHello is whole and the
name's context is there), `handshake`, then `tunnel` (bytes both ways) or `answering` (a page of ours), at last
`parting` (so that the last words arrive). Port 80 is `plain`.
"""
