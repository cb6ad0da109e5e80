"""How work is run: steps keyed by content, processes, a cluster. It shapes no result."""
