"""A seeded fuzzer of readers and writers: `python -m tests.fuzz --seconds 600`. See `__main__`."""
