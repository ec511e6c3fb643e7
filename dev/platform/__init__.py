"""Certsmith as its users run it, for tests and benchmarks: servers and services as processes, and their clients."""
