"""The provisioner's SQL: its orders, claims, budgets and accounts, and what it writes to the registry."""
