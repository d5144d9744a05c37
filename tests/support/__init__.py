"""Helpers that tests share. No tests here."""
