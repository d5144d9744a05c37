"""Builders of the objects that belong to a ModelService: pure functions that return plain manifests, one file per object."""
