"""Logic puzzles in competition format, made and solved symbolically, in Chinese and English.

Imports the standard library and `storage.records`; knows no disk, no model and no Prefect.
"""
