"""suggest: a file of any columns -> the mapping that would read it, and the first records as they would be read."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from storage.records import Rejected, UsageError
from storage.sources import readers
from storage.sources import source as sources
from storage.sources.suggestion import Suggestion, suggested

_SHOWN = 3  # records


def suggest(path: str, first: int | None = None, fetched: Path = Path()) -> dict[str, Any]:
    """How the files at `path` would be read: `format`, `columns` ({} where no mapping is needed), three `records`.

    With a mapping also how sure it is (`confidence`), why each column is what it is (`reasons`), and `others` that
    would be read too.

    UsageError if no mapping can be guessed, or nothing says what its keys count from.
    """
    files = sources.files([sources.local(path, fetched)])
    guess = Suggestion()
    unknown: UsageError | None = None
    try:
        formats = readers.formats_of(files)
        found = list(islice(readers.read(files, formats, first=first), _SHOWN))
        useless = all(isinstance(item, Rejected) for item in found)
    except UsageError as error:
        useless, unknown = True, error
    if useless and (mapped := suggested(files)).columns:
        guess = mapped
        formats = readers.formats_of(files, columns=guess.columns)
        found = list(islice(readers.read(files, formats, guess.columns, first), _SHOWN))
    elif unknown is not None:
        raise unknown
    return {
        "format": ", ".join(dict.fromkeys(format.name for format in formats)),
        "columns": dict(guess.columns),
        "confidence": guess.confidence if guess.columns else "",
        "reasons": dict(guess.reasons),
        "others": [dict(other) for other in guess.others],
        "records": [{"rejected": isinstance(item, Rejected), **asdict(item)} for item in found],
    }
