"""The provisioner's SQL: its orders, claims, budgets and accounts, and its writes to the registry."""
