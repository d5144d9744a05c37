"""Readers and writers: one file per format, parameters plus methods on Arrow, and the storage they stand on."""
