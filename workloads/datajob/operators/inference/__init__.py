"""Inference operators."""
