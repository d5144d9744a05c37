"""Builders of the objects of a DataJob: pure functions that return plain manifests, one file per object."""
