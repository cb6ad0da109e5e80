"""verdict: results that any tool wrote, compared."""
