"""What a worker does with one shard: read, process, write, commit. Scheduling and other shards do not belong here."""
