"""How the keys of a file are to be read, where one row cannot say: looked up in its other rows.

A number counts from 0 where one of the file's keys is 0, from 1 where one is as high as there are
options. A file without either is read as the source's other files of its format are. The first sign is
enough to go on; a key that does not fit it, or could be read in two ways, asks all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from storage.records import Rejected, UsageError
from storage.sources.formats.base import Convention, Format
from storage.sources.mapped_rows import sourced
from storage.sources.mapping import Columns
from storage.sources.tool_catalogs import described_rows


def conventions(
    files: Sequence[tuple[str, Path]], formats: Sequence[Format], columns: Columns, first: int | None
) -> list[tuple[Callable[[], Convention], Callable[[], Convention]]]:
    """For each file its keys' convention by their first sign, and by all of them. `first` is what the user says.

    A file is read at the first call, up to that sign or whole.

    A call raises UsageError where the keys contradict what their set counts from.
    """

    @cache
    def seen(n: int, whole: bool) -> Convention:
        return _sum(_observed(files[n], formats[n], columns), formats[n].first if first is None else None, whole)

    @cache
    def of(n: int, whole: bool) -> Convention:
        found, known = seen(n, whole), formats[n].first if first is None else first
        for other, format in enumerate(formats):
            if format is formats[n] and other != n and not found.zeros and not found.tops:
                found += seen(other, whole)
        if first is None and known is not None and found.base == 1 - known:
            raise UsageError(
                f"the keys of {files[n][0]} seem to count from {1 - known}, those of {formats[n].name} from {known}",
                seen="a key as high as there are options, and none that is 0" if known == 0 else "a key that is 0",
                hint="say what the first option is: --first 0 or --first 1, in a recipe --set parse.first=0 or 1",
            )
        return found if known is None else replace(found, first=known)

    return [(partial(of, n, False), partial(of, n, True)) for n in range(len(files))]


def _observed(file: tuple[str, Path], format: Format, columns: Columns) -> Iterator[Convention]:
    if format.observed is not None:
        for item in sourced(file[0], described_rows(file), columns, format.sniff):
            if not isinstance(item, Rejected):
                yield format.observed(item.value)


def _sum(found: Iterator[Convention], known: int | None, whole: bool) -> Convention:
    """All that is said, or no more than its first sign; of what is known anyway no more than a sign of that."""
    total = Convention()
    for one in found:
        total += one
        if known is not None and (total.tops if known else total.zeros):
            break
        if known is None and not whole and (total.tops or total.zeros):
            break
    return total
