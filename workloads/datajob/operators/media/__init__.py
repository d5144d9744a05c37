"""Images in table columns: bytes, paths or pixels."""
