"""evaluate: base and adapter answer the same test questions, and what they answered becomes a verdict."""
