"""What `certsmith migrate` prepares: the database's schema and the broker's users."""
