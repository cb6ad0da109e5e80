"""puzzles: a count and a seed become a file of generated problems."""
