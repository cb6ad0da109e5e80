"""Base models: which one it is, and its weights with those of an adapter."""
