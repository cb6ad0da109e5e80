"""export: a snapshot, or dialogues in any format -> rows for other tools.

A snapshot's parts are `train` and `valid`; what is no snapshot is one part, `data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from storage import remote
from storage.dialogues import Dialogue
from storage.home import Home
from storage.records import PonensError, Rejected, UsageError
from storage.sources import readers, source, writers
from storage.sources.formats.pairs import PROMPT_COMPLETION
from storage.sources.mapping import Columns
from storage.tables import snapshot_catalog

_PARTS = ("train", "valid")


def export(given: str, form: str, out: Path | None, home: Home, columns: Columns | None = None) -> dict[str, Any]:
    """Write `given` to the folder `out`, by default NAME-FORM here: where it is, and how many rows of what.

    `given` is a snapshot as `ponens datasets` names it, its folder, or a source as `parse` takes it.
    UsageError if there is no such thing, or a row does not fit the form.
    """
    if form not in writers.FORMS:
        raise UsageError("there is no such form", seen=form, expected=f"one of {', '.join(writers.FORMS)}")
    snapshot = _snapshot(given, home)
    there = snapshot or source.local(given, home.root / "fetched")
    place = out or Path(f"{there.name.partition('.')[0]}-{form}")
    rejected: list[Rejected] = []
    if snapshot:
        parts = {name: _examples(snapshot / f"{name}.parquet") for name in _PARTS}
    else:
        files = source.files([there])
        parts = {"data": _dialogues(files, columns or {}, rejected)}
    rows = writers.write(parts, place, form)
    return {"form": form, "out": str(place), "rows": rows, "rejected": len(rejected)}


def _snapshot(given: str, home: Home) -> Path | None:
    if (Path(given) / f"{_PARTS[0]}.parquet").exists():
        return Path(given)
    return None if Path(given).exists() or remote.is_url(given) else snapshot_catalog.find(home, given).path


def _examples(file: Path) -> Iterator[Dialogue]:
    for item in readers.read([(file.name, file)], [PROMPT_COMPLETION]):
        if not isinstance(item, Dialogue):
            raise PonensError(f"{file} is damaged", seen=item, hint="run the recipe again: it is made anew")
        yield item


def _dialogues(files: Sequence[tuple[str, Path]], columns: Columns, rejected: list[Rejected]) -> Iterator[Dialogue]:
    count = 0
    for item in readers.read(files, columns=columns):
        if isinstance(item, Rejected):
            rejected.append(item)
        elif isinstance(item, Dialogue):
            count += 1
            yield item
        else:
            raise UsageError(
                "only dialogues can be exported",
                seen=f"{item.file}:{item.line} is none",
                expected="rows of prompts and answers, or a snapshot",
                hint="questions become dialogues in a snapshot: `ponens assemble RECIPE`",
            )
    if rejected and not count:
        raise readers.nothing_read(files[0][0], [(reject.field, reject.reason) for reject in rejected])
