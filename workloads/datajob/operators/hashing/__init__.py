"""Hashes of rows, and the selection of one row for each hash: shared by table and deduplication operators."""
