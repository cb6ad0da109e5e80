"""Text in, text out: each prompt beside the parser of its reply, with a VERSION.

Imports the standard library and `storage.records`; knows no disk, no model and no Prefect.
"""
