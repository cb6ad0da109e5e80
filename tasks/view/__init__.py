"""view: pages over a home."""
