"""The work of `certsmith migrate`: the database's schema and the broker's users."""
