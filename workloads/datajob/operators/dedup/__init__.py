"""Deduplication operators."""
