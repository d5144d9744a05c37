"""Benchmarks and their data. The installed packages do not depend on them."""
