"""The kinds of work: how each asks, reads and keeps its answers."""
