"""A mapping for a file that no format knows, guessed from its values: what holds options, the key, the question.

    suggested([("quiz.csv", path)])     {"question": "Frage", "options": ["w1", "w2", "w3"], "answer": "Lösung"}

A guess for a person to confirm: nothing is read by it unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from storage.formats import keys
from storage.formats.base import Fault
from storage.formats.columns import is_metadata
from storage.formats.options import Options, shaped
from storage.inside import inside
from storage.mapping import Columns
from storage.records import LETTERS, Rejected
from storage.rows import rows
from storage.sourced import sourced

_ROWS = 200
_MOST = 0.9  # share of rows that a guess must hold for
_OPTIONS = 10
_SHORT = 2  # characters of a cell that says nothing by itself
_LONG = 200  # characters of a passage

Row = dict[str, Any]


def suggested(files: Sequence[tuple[str, Path]]) -> Columns:
    """Columns for a question with options, else for a prompt and an answer, else for a text; {} if nothing fits."""
    found = list(islice(_rows(files), _ROWS))
    ways = list(dict.fromkeys(way for row in found for way in row))
    return _choice(found, ways) or _pair(found, ways)


def _rows(files: Sequence[tuple[str, Path]]) -> Iterator[Row]:
    for name, path in files:
        for item in sourced(name, rows(name, path), {}, lambda row: not inside(dict(row))):
            if not isinstance(item, Rejected):
                yield dict(_leaves(item.cells, ""))


def _leaves(value: Row, way: str) -> Iterator[tuple[str, Any]]:
    for name, cell in value.items():
        yield f"{way}{name}", cell
        if isinstance(cell, dict):
            yield from _leaves(cell, f"{way}{name}.")


def _choice(found: list[Row], ways: list[str]) -> Columns:
    for way in ways:
        options = [_shaped(row.get(way)) for row in found]
        if _most(option is not None for option in options):
            key = next((key for key in ways if key != way and _names(found, key, options)), None)
            return _asked(found, [one for one in ways if one not in (way, key)], way, key)
    for rule in (_by_text, _by_letter, _by_number):
        for key in ways:
            if columns := rule(found, ways, key):
                return _asked(found, [one for one in ways if one not in (*columns, key)], columns, key)
    return {}


def _asked(found: list[Row], ways: list[str], options: str | list[str], key: str | None) -> Columns:
    question = _question(found, ways)
    if question is None:
        return {}
    context = next((way for way in _texts(found, ways) if way != question and _length(found, way) > _LONG), None)
    return {
        **({"context": context} if context else {}),
        "question": question,
        "options": options,
        **({"answer": key} if key else {}),
    }


def _pair(found: list[Row], ways: list[str]) -> Columns:
    texts = _texts(found, ways)
    asked = _question(found, texts)
    if asked is None:
        return {}
    others = [way for way in texts if way != asked]
    if not others:
        return {"text": asked}
    after = [way for way in others if texts.index(way) > texts.index(asked)] or others
    return {"prompt": asked, "completion": max(after, key=lambda way: _length(found, way))}


def _by_text(found: list[Row], ways: list[str], key: str) -> list[str]:
    """The columns in a row of which `key` holds the text of one."""
    held = [row for row in found if not keys.blank(row.get(key))]
    texts = [way for way in ways if way != key and _most(isinstance(row.get(way), str) for row in found)]
    hits = [[way for way in texts if row.get(way) == row[key]] for row in held]
    places = [texts.index(way) for one in hits for way in one]
    if not _most(len(one) == 1 for one in hits) or len(set(places)) < 2:
        return []
    return texts[min(places) : max(places) + 1][:_OPTIONS]


def _by_letter(found: list[Row], ways: list[str], key: str) -> list[str]:
    """The columns in a row of which `key` names one by its letter."""
    held = [row[key] for row in found if not keys.blank(row.get(key))]
    if not held or not all(isinstance(value, str) and keys.is_letter(value) for value in held):
        return []
    letters = {char for value in held for char in value.upper() if char in LETTERS}
    return _run(found, ways, key, max(map(LETTERS.index, letters)) + 1)


def _by_number(found: list[Row], ways: list[str], key: str) -> list[str]:
    """The columns in a row of which `key` names one by a small number, which is not the row's own."""
    held = [row[key] for row in found if not keys.blank(row.get(key))]
    if not held or not all(keys.is_number(value) and 0 <= float(value) <= _OPTIONS for value in held):
        return []
    numbers = [float(value) for value in held]
    own = len(numbers) > 1 and all(later - before == 1 for before, later in pairwise(numbers))
    return [] if own else _run(found, ways, key, int(max(numbers)))


def _run(found: list[Row], ways: list[str], key: str, count: int) -> list[str]:
    """The longest run of columns of texts, of at least `count`, in which question and key are not."""
    texts = [way for way in ways if way != key and _most(isinstance(row.get(way), str) for row in found)]
    runs = [run for run in _runs(ways, {*texts} - {_question(found, texts)}) if len(run) >= max(2, count)]
    return max(runs, key=len, default=[])[:_OPTIONS]


def _runs(ways: list[str], among: Set[str | None]) -> Iterator[list[str]]:
    run: list[str] = []
    for way in [*ways, ""]:
        if way in among:
            run.append(way)
        elif run:
            yield run
            run = []


def _question(found: list[Row], ways: list[str]) -> str | None:
    """The column that asks: most of it ends in a question mark, else the longest."""
    texts = _texts(found, ways)
    asks = {way: fmean(_asks(row.get(way)) for row in found) for way in texts}
    return max(texts, key=lambda way: (asks[way] > 0.5, _length(found, way)), default=None)


def _texts(found: list[Row], ways: list[str]) -> list[str]:
    """The columns of texts that are more than a mark or metadata."""
    return [
        way
        for way in ways
        if not is_metadata(way.rpartition(".")[2])
        and _most(isinstance(row.get(way), str) for row in found if row.get(way) is not None)
        and _length(found, way) > _SHORT
    ]


def _length(found: list[Row], way: str) -> float:
    return fmean(len(cell) if isinstance(cell := row.get(way), str) else 0 for row in found)


def _asks(value: Any) -> bool:
    return isinstance(value, str) and value.rstrip().endswith(("?", "？", ":", "：", "__"))


def _shaped(value: Any) -> Options | None:
    try:
        found = shaped(value, "") if isinstance(value, list | dict | str) and value else None
    except Fault:
        return None
    return found if found is not None and len(found.texts) <= _OPTIONS else None


def _names(found: list[Row], key: str, options: Sequence[Options | None]) -> bool:
    """Whether the cells of `key` name an option each."""
    hits = []
    for row, choice in zip(found, options, strict=True):
        if choice is not None and not keys.blank(row.get(key)):
            try:
                hits.append(any(one is not None for one in keys.readings(row[key], choice, key)[:3]))
            except Fault:
                hits.append(False)
    return _most(hits)


def _most(held: Any) -> bool:
    """Whether most of some truths hold, and there are any."""
    truths = list(held)
    return bool(truths) and fmean(truths) >= _MOST
