"""reason: a teacher is asked for rationales, and those worth training on are kept."""
