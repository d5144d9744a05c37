"""Benchmarks and the real data they read; nothing in the product imports this."""
