"""Tests of the job models, their parsing and checks."""
