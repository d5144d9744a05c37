"""Policies for the lifecycle of a DataJob: pure functions, one file per policy."""
