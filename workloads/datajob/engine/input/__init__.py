"""How the input becomes rows: list files, cut them into shards, read the rows of a shard. Nothing here processes rows."""
