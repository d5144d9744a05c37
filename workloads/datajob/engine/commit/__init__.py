"""What makes work durable: commit records of shards, the state and lock of a run, the manifest. Rows are written elsewhere."""
