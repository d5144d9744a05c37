"""Policies of the life of a DataJob: pure functions, one file per policy."""
