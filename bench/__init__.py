"""Benchmarks: figures beside a peer's, measured in one run on real servers. `make bench` runs them all.

These are no tests: they have goals, and tell how far away they are. Absolute times depend on the machine and on what
else it does; the ratios to the peers are what can be compared.
"""
