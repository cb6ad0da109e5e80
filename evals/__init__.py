"""Pure arithmetic over records: voting, intervals, the verdict, the report's page.

Imports the standard library, scipy, drawing and templating libraries and `storage.records`;
reads and writes no file, asks no model.
"""
