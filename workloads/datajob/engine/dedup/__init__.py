"""The stages and tasks of a deduplication: signatures, duplicates, evidence. Other global steps do not belong here."""
