"""Encoded images (later audio and video) in memory: their headers and their pixels, for formats and operators alike."""
