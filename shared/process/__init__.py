"""Plumbing of a process: running until stopped, health pages, waiting with backoff, messages between processes."""
