"""Tests of the application of a ModelService."""
