"""Conversations become tokens: templates, masks, encoding."""
