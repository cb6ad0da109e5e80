"""parse: source files become clean records of one kind of work."""
