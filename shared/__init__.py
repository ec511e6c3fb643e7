"""What the services share: events, the bus, the store, the vault, and the plumbing of a process.

No business rule of one service lives here, and nothing here imports a service.
"""
