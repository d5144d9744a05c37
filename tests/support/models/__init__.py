"""Small models made on the spot, for tests and benchmarks."""
