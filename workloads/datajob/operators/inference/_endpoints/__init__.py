"""Requests to servers that are compatible with OpenAI, behind the protocol of engines."""
