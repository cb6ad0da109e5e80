"""Which format a file has, and its records: the one door to `storage.sources.formats`.

    read(files([Path("data")]))    Question(…), Dialogue(…), Rejected("a.jsonl", 3, "output", "empty output"), …

Each file of a source is looked at by itself, so that one source may hold several formats. A file is of
the first format that knows one of its first rows. Where none does it is read as the source's other
files are, so that each of its rows is told; if there is no other, that is an error.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from storage.dialogues import Record
from storage.records import Rejected, UsageError
from storage.sources.formats import (
    alpaca,
    ar_lsat,
    choice_sets,
    competition,
    folio,
    knights,
    logiqa,
    messages,
    nested,
    no_kind,
    others,
    pairs,
    plain,
    preference,
    proofnet,
    rated,
    sharegpt,
    sql,
    tagging,
    threads,
    triples,
    truth,
    wikisql,
)
from storage.sources.formats.base import At, Cells, Fault, Format
from storage.sources.formats.unread import NOTE, Unread
from storage.sources.key_conventions import conventions
from storage.sources.mapped_rows import sourced
from storage.sources.mapping import Columns, own_name
from storage.sources.tool_catalogs import described_rows
from storage.sources.unknown_format import misspelt, unknown

FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        competition.FORMAT,
        ar_lsat.FORMAT,
        logiqa.FORMAT,
        folio.FORMAT,
        *choice_sets.FORMATS,
        rated.FORMAT,
        preference.FORMAT,  # before dialogues: a pair may stand beside one
        messages.FORMAT,
        sharegpt.FORMAT,
        alpaca.FORMAT,
        proofnet.FORMAT,
        knights.FORMAT,
        *sql.FORMATS,
        wikisql.FORMAT,
        threads.FORMAT,
        truth.FORMAT,
        nested.FORMAT,
        *others.FORMATS,
        *tagging.FORMATS,
        triples.FORMAT,
        *pairs.FORMATS,
        no_kind.FORMAT,  # what none of these reads, and why
        plain.FORMAT,  # last: a text may stand in rows of others
    )
}
# rows of these stand in one file: each is tried where the file's own format does not know a row
_TOGETHER = ("preference", "messages", "sharegpt", "alpaca", "prompt-completion", "question-answer")
_LOOK = 20  # rows that are looked at before a file is given up
_IMAGES = frozenset(
    ("image", "images", "image_path", "image_url", "image_id", "pixel_values", "video", "videos", "audio", "audios")
)


def formats_of(
    files: Sequence[tuple[str, Path]], format: str | None = None, columns: Columns | None = None
) -> list[Format]:
    """The format of each file: the one named, or what its first rows look like.

    UsageError if there is no such format, if no file's rows are known, if they hold images, or if no row
    has a column of `columns`.
    """
    if columns and (error := misspelt(files, columns)):
        raise error
    if format is not None:
        return [known(format)] * len(files)
    found: list[Format | None] = []
    refused = None
    for file in files:
        try:
            found.append(_sniffed(file, columns or {}))
        except UsageError as error:  # a file of images beside others: its rows are rejected one by one
            refused = refused or error
            found.append(None)
    some = next((one for one in found if one), None)
    if some is None:
        raise refused or unknown(files, columns or {})
    return [one or some for one in found]


def known(format: str) -> Format:
    """The format of that name. UsageError if there is none."""
    if format not in FORMATS:
        raise UsageError("there is no such format", seen=format, expected=f"one of {', '.join(FORMATS)}")
    return FORMATS[format]


def nothing_read(source: object, reasons: Sequence[tuple[str, str]]) -> UsageError:
    """The error for a source of which every row is rejected: of their fields and reasons the most frequent."""
    (field, reason), count = Counter(reasons).most_common(1)[0]
    return UsageError(
        f"no row of {source} can be read",
        seen=f"{field}: {reason} ({count:,} of {len(reasons):,} rejected rows)",
        expected="at least one row that is an example",
    )


def read(
    files: Sequence[tuple[str, Path]],
    formats: Sequence[Format] | None = None,
    columns: Columns | None = None,
    first: int | None = None,
    *,
    keyed: bool = True,
) -> Iterator[Record | Rejected]:
    """Every record of `files`, in order, and every reject in its place.

    `formats` is what `formats_of` says of the files. `columns` names the columns to read instead of a
    format's own, such as {"prompt": "ask.text"}. `first` is 0 or 1, what the keys that are numbers count
    from. Without `keyed` a question whose key cannot be read is one without a key. Memory does not grow
    with the files; no content makes it raise. UsageError as in `formats_of`, and where nothing says what
    the file's numbers count from.
    """
    formats = formats or formats_of(files, columns=columns)
    for file, one, said_so in zip(files, formats, conventions(files, formats, columns or {}, first), strict=True):
        name, folder, passed_over = file[0], file[1].parent, None if columns else Unread()
        for item in sourced(name, one.gathered(described_rows(file)), columns or {}, one.sniff):
            if isinstance(item, Rejected):
                yield item
            else:
                at = At(name, item.line, folder, said_so[0], keyed, said_so[1])
                yield from _records(item.value, one, at, columns or {}, passed_over)


def _records(
    row: dict[str, Any], format: Format, at: At, columns: Columns, passed_over: Unread | None
) -> list[Record | Rejected]:
    records: list[Record | Rejected] = []
    try:
        if not _IMAGES.isdisjoint(row):
            _without_images(row)
        if passed_over is None:
            records.extend(format.records(row, at))  # keeps those before a fault
        elif names := passed_over.names(row, format, at, records):
            records = _noted(records, names)
    except Fault as fault:
        if not records and (other := _other(format, row)) is not None:
            return _records(row, other, at, columns, passed_over)
        records.append(at.reject(Fault(own_name(columns, fault.field), fault.reason)))
    return records


def _other(format: Format, row: Cells) -> Format | None:
    """The format that knows a row which the file's own does not; None if that one knows it, or none does."""
    if not format.others or format.sniff(row):
        return None
    return next((other for other in format.others if other.sniff(row)), None)


def _noted(records: list[Record | Rejected], names: list[str]) -> list[Record | Rejected]:
    """The records of a row, the first with a note for each column that nobody read."""
    for record in records:
        if not isinstance(record, Rejected):
            notes = record.notes + _notes(tuple(names))
            object.__setattr__(record, "notes", notes)  # nobody else has it yet: a copy would cost as much again
            break
    return records


@lru_cache(maxsize=1 << 12)
def _notes(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{NOTE}{name}" for name in names)


def _without_images(row: Cells) -> None:
    """Fault for a row with images, or with other things that are no text."""
    if field := next((name for name in row if name in _IMAGES and row[name]), None):
        raise Fault(field, f"a row with {field}, and this release is text only")


def _is_known(row: Cells) -> bool:
    return any(format.sniff(row) for format in FORMATS.values())


@cache
def _looked_at(name: str) -> Format:
    """The format, with those whose rows may stand among its own."""
    others = tuple(FORMATS[other] for other in _TOGETHER if other != name) if name in _TOGETHER else ()
    return replace(FORMATS[name], others=others) if others else FORMATS[name]


def _sniffed(file: tuple[str, Path], columns: Columns) -> Format | None:
    """The format of the first row that one knows. UsageError if all that is there are images."""
    images = ""
    for item in itertools.islice(sourced(file[0], described_rows(file), columns, _is_known), _LOOK):
        if isinstance(item, Rejected):
            continue
        try:
            _without_images(item.value)
        except Fault as fault:
            images = images or fault.field
            continue
        for format in FORMATS.values():
            if format.sniff(item.value):
                return _looked_at(format.name)
    if images:
        raise UsageError(
            f"{file[0]} holds images",
            seen=f"a column {images!r}",
            expected="text: this release is text only",
            hint="map the columns of text with parse.columns to read these alone",
        )
    return None
