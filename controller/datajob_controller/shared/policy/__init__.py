"""Policies for Ray clusters of all kinds: pure functions, one file per policy."""
