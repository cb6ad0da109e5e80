"""Pages for people: their facts, their arithmetic and their templates."""
