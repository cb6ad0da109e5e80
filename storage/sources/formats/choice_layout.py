"""Which columns of a row are which part of a multiple choice: looked for once for each layout of columns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Protocol

from storage.sources.formats import options as shapes
from storage.sources.formats.choice_names import IDS, KEYISH, KEYS
from storage.sources.formats.choice_usual import UsualColumns
from storage.sources.formats.options import normed


class Parts(Protocol):
    """What a set calls its parts."""

    @property
    def passage(self) -> tuple[str, ...]: ...
    @property
    def question(self) -> tuple[str, ...]: ...
    @property
    def options(self) -> tuple[str, ...]: ...
    @property
    def key(self) -> tuple[str, ...]: ...
    @property
    def elsewhere(self) -> bool: ...


class Layout(NamedTuple):
    """The columns of a row by their names as `normed` makes them, and those of each part in the order of its names."""

    names: Mapping[str, str]
    passage: tuple[str, ...]
    question: tuple[str, ...]
    options: tuple[str, ...]
    key: tuple[str, ...]
    families: tuple[tuple[str, ...], ...]
    usual: UsualColumns | None


@lru_cache(maxsize=1024)
def layout_of(chosen: Parts, columns: tuple[str, ...]) -> Layout:
    """What a set's parts are in rows of these columns: looked for once, not row by row."""
    names = _names(columns)

    def there(wanted: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names[normed(name)] for name in wanted if normed(name) in names)

    more = tuple(
        column
        for name, column in names.items()
        if chosen.key is KEYS and KEYISH.fullmatch(name) and name not in _usual_keys()
    )
    passage, question, options = there(chosen.passage), there(chosen.question), there(chosen.options)
    key = there(chosen.key) + more
    usual = None
    elsewhere = chosen.elsewhere or "error_type" in columns  # which may say that a question is faulty
    if not elsewhere and len(passage) < 2 and question and options and len(key) == 1:
        ids = tuple(name for name in IDS if name in columns)
        usual = UsualColumns(next(iter(passage), None), question[0], options[0], key[0], ids)
    return Layout(names, passage, question, options, key, shapes.families(columns), usual)


@lru_cache(maxsize=1)
def _usual_keys() -> frozenset[str]:
    return frozenset(map(normed, KEYS))


@lru_cache(maxsize=256)
def _names(columns: tuple[str, ...]) -> Mapping[str, str]:
    """The columns by their names as `normed` makes them; of two that are the same the first counts."""
    found: dict[str, str] = {}
    for column in columns:
        found.setdefault(normed(column), column)
    return found
