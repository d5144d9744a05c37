"""Run the shards of a stage: in this process, as Ray Data tasks, or on actors. What a shard does belongs in `worker`."""
