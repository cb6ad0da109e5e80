"""draft: rows become a commented recipe for them."""
