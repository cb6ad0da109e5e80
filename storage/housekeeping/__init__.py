"""A home is kept small, sound and safe."""
