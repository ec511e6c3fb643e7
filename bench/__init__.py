"""Benchmarks: each result is compared with a peer's, measured in the same run on real servers. `make bench` runs all.

They are not tests: they have goals, and show how far away those are. Absolute times depend on the machine and its other
work; only the ratios to the peers can be compared.
"""
