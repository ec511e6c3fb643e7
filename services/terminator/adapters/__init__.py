"""The world outside: PostgreSQL."""
