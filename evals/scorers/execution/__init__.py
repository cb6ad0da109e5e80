"""What scoring by execution is made of: a schema, a guarded query, generated rows, results compared."""
