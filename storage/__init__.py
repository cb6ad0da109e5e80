"""Everything that touches disk: readers, warehouse, ledger, artifacts, adapters.

Also the house's one vocabulary, `storage.records`, which every room may import.
This room imports duckdb, polars and the standard library, and no other room of the house.
"""
