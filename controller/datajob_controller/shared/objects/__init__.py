"""Builders of the pods of Ray clusters."""
