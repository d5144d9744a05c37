"""Video operators."""
