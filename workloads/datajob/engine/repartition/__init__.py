"""The stages of steps that move rows between shards, such as a sort or a join. Deduplication does not belong here."""
