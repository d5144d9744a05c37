"""Tests of operators on video."""
