"""Counts and distributions of rows that add up over shards. Nothing here decides about rows."""
