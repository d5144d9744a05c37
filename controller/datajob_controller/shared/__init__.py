"""What the kinds have in common: the pods of Ray clusters and their problems, settings of administrators, texts, conditions."""
