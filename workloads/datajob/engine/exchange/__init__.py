"""Files that move rows between the shards of two stages, and the row IDs in them. The result of the job is not written here."""
