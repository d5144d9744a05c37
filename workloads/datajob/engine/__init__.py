"""Runs a DataJob: a pure plan, shards that are committed atomically, and executors that run them (Ray or this process).

The packages follow the data: `plan` cuts the steps into fused steps; `input` lists, cuts and reads the sources; `worker`
processes a shard; `dedup`, `repartition` and `limit` are the stages of global steps, which move rows and signatures through
`exchange`; `commit` makes results durable; `executors` run shards; `counts` and `report` describe what happened. `driver`
runs a job from the listing to the manifest.
"""
