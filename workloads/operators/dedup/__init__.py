"""Dedup operators."""
