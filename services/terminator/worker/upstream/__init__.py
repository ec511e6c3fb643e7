"""Connections to upstreams: which addresses are allowed, and dialling them."""
