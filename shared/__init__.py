"""Libraries that at least two programs use: events, the registry, RabbitMQ, PostgreSQL, the vault, processes.

Nothing here imports a program. `judging` has the rules for uploads because `certsmith validate` applies them too
(`docs/decisions/0006`).
"""
