"""How the keys of a file are to be read, where one row cannot say: looked up in its other rows.

A number counts from 0 where one of the file's keys is 0, from 1 where one is as high as there are
options. A file without either is read as the source's other files of its format are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from storage.records import Rejected, UsageError
from storage.sources.formats.base import Convention, Format
from storage.sources.mapped_rows import sourced
from storage.sources.mapping import Columns
from storage.sources.tool_catalogs import described_rows


def conventions(
    files: Sequence[tuple[str, Path]], formats: Sequence[Format], columns: Columns, first: int | None
) -> list[Callable[[], Convention]]:
    """For each file its keys' convention; a file is read at the first call. `first` is what the user says.

    A call raises UsageError where the keys contradict what their set counts from.
    """

    @cache
    def seen(n: int) -> Convention:
        return _sum(_observed(files[n], formats[n], columns), formats[n].first if first is None else None)

    def of(n: int) -> Convention:
        found, known = seen(n), formats[n].first if first is None else first
        for other, format in enumerate(formats):
            if format is formats[n] and other != n and not found.zeros and not found.tops:
                found += seen(other)
        if first is None and known is not None and found.base == 1 - known:
            raise UsageError(
                f"the keys of {files[n][0]} seem to count from {1 - known}, those of {formats[n].name} from {known}",
                seen="a key as high as there are options, and none that is 0" if known == 0 else "a key that is 0",
                hint="say what the first option is: --first 0 or --first 1, in a recipe --set parse.first=0 or 1",
            )
        return found if known is None else replace(found, first=known)

    return [cache(lambda n=n: of(n)) for n in range(len(files))]


def _observed(file: tuple[str, Path], format: Format, columns: Columns) -> Iterator[Convention]:
    if format.observed is not None:
        for item in sourced(file[0], described_rows(file), columns, format.sniff):
            if not isinstance(item, Rejected):
                yield format.observed(item.value)


def _sum(found: Iterator[Convention], known: int | None) -> Convention:
    """All that is said; no more than the first sign of what is known anyway."""
    total = Convention()
    for one in found:
        total += one
        if known is not None and (total.tops if known else total.zeros):
            break
    return total
