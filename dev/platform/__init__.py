"""Certsmith as its users run it: servers, services and clients as processes, for tests and benchmarks."""
