"""Builders of the objects that belong to a DataJob: pure functions that return plain manifests, one file per object."""
