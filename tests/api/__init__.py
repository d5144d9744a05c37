"""Tests of the language of jobs."""
