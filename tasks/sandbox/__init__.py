"""Queries of strangers, run where they can read nothing but the tables they are given."""
