"""Requests and replies in the format of OpenAI."""
