"""The terminator's adapters: the store on PostgreSQL."""
