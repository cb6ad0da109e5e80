"""report: what the steps left becomes one page."""
