"""suggest: a file of any columns -> the mapping that would read it, and the first records as they would be read."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from storage import readers
from storage import source as sources
from storage.mapping import Columns
from storage.records import Rejected, UsageError
from storage.suggestion import suggested

_SHOWN = 3  # records


def suggest(path: str, first: int | None = None, fetched: Path = Path()) -> dict[str, Any]:
    """How the files at `path` would be read: `format`, `columns` ({} where no mapping is needed), three `records`.

    UsageError if no mapping can be guessed, or nothing says what its keys count from.
    """
    files = sources.files([sources.local(path, fetched)])
    columns: Columns = {}
    try:
        formats = readers.formats_of(files)
    except UsageError:
        columns = suggested(files)
        if not columns:
            raise
        formats = readers.formats_of(files, columns=columns)
    found = islice(readers.read(files, formats, columns, first), _SHOWN)
    return {
        "format": ", ".join(dict.fromkeys(format.name for format in formats)),
        "columns": dict(columns),
        "records": [{"rejected": isinstance(item, Rejected), **asdict(item)} for item in found],
    }
