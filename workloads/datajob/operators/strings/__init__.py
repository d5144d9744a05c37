"""Columns of text as kernels see them: UTF-8 bytes, words and tokens, shared by every operator that reads text."""
