"""Images in the columns of a table, whatever stands for them: bytes, paths, or pixels."""
