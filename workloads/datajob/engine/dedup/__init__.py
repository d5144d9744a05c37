"""The stages and tasks of a de-duplication: signatures, duplicates, evidence. Other global steps do not belong here."""
