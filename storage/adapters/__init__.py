"""Adapters of a home: their folders, versions, aliases and where they came from."""
