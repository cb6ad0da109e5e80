"""A row's cells under the names that a format knows, by a user's own columns.

    {"prompt": "ask.text"}                              a way into an object
    {"question": "examples[].input"}                    into a list: one row an element; `answers[0]` is its first
    {"options": ["a", "b", "c", "d"]}, "a,b,c,d"        options made of columns; other names: joined by a blank line
    {"options": "choices[].text"}                       a list within a row
    {"system": '"Be kind."'}                            a text in quotes is itself
    {"label": "label{no|yes}"}, "label{1:no|2:yes}"      a word for each number, from 0, or for each value

A column that is absent in a row is absent there under its new name. Numbers and truth values are answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from storage.sources.formats.base import Fault, kind
from storage.sources.formats.turns import are_turns

Columns = Mapping[str, str | Sequence[str]]
Step = str | int | None  # a name, a place in a list, or every element of it
_STEP = re.compile(r"(?P<name>[^.\[\]]*)(?P<places>(?:\[\d*\])*)(?:\.|$)")
_WORDS = re.compile(r"(?P<way>[^{}]+)\{(?P<words>[^{}]*\|[^{}]*)\}")
_PART = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]+?)\s*(?:,|$)""")
# what asks: its list of rows is that of the row
_ASKED = frozenset(
    ("question", "prompt", "instruction", "query", "problem", "text", "source", "document", "messages", "conversations")
)
# what may be a list; any other cell that is one is joined
_TURNS = ("messages", "conversations", "history", "prompt", "completion", "chosen", "rejected", "questions", "tools")
_TAGS = ("tokens", "labels", "tags", "ner_tags", "triples", "premises", "names")
_LISTS = frozenset(("options", "choices", "answer", "answers", "label", "key", *_TURNS, *_TAGS))
_SEVERAL = frozenset(("options", "choices", "incorrect_answers", "distractors"))  # what columns make a list of
_ANSWERS = frozenset(("answer", "completion", "output", "response", "target", "summary", "label"))


@dataclass(frozen=True, slots=True)
class Way:
    """Where a cell lies: a fixed `text`, or a column's name and the steps that it spells.

    `words` are what its values stand for, where they are given.
    """

    name: str
    steps: tuple[Step, ...] = ()
    text: str | None = None
    words: tuple[tuple[str, str], ...] = ()

    def of(self, cell: Any, field: str) -> Any:
        """A cell's word. Fault for a value without one."""
        if not self.words or cell is None:
            return cell
        value = str(int(cell)) if isinstance(cell, bool | float) and cell == int(cell) else str(cell).strip()
        word = dict(self.words).get(value)
        if word is None:
            raise Fault(field, f"{value[:40]!r} is none of {', '.join(key for key, _ in self.words)}, which have words")
        return word


class Absent(Exception):
    """A way leads nowhere in a row."""


def cells(value: Any, columns: Columns) -> Iterator[dict[str, Any]]:
    """The cells of a row, or of each row that lies in a list of it. Fault if it is no object."""
    if isinstance(value, list) and are_turns(value):  # a row that is the dialogue itself
        value = {"messages" if "role" in value[0] else "conversations": value}
    if isinstance(value, list) and (row := _passage(value)):
        value = row
    if not isinstance(value, dict):
        raise Fault("line", f"not an object but {kind(value)}")
    if not columns:
        yield value
        return
    ways = {name: _ways(column, value) for name, column in columns.items()}
    rows = _prefix([way for name, found in ways.items() if name in _ASKED for way in found])
    if rows and rows[0] not in value:
        rows, ways = (), {name: [_within(way, rows) for way in found] for name, found in ways.items()}
    for places in _places(value, rows):
        found = {name: _cell(name, ways[name], value, rows, places) for name in columns}
        yield {name: cell for name, cell in found.items() if cell is not None}


def own_name(columns: Columns, field: str) -> str:
    """A field of a fault by the user's own name for it."""
    name, rest = re.match(r"([^.\[]*)(.*)", field, re.DOTALL).groups()  # type: ignore[union-attr]
    column = columns.get(name)
    return field if column is None else (column if isinstance(column, str) else ", ".join(column)) + rest


def leads(row: Any, column: str | Sequence[str]) -> bool:
    """Whether any of a column's ways leads somewhere in a row; a fixed text always does."""
    if not isinstance(row, dict):
        return False
    for way in _ways(column, row):
        rows = _prefix([way])
        way = _within(way, rows) if rows and rows[0] not in row else way
        try:
            if _walked(row, way.steps) not in (None, []) if way.text is None else True:
                return True
        except Absent:
            continue
    return False


def _ways(column: str | Sequence[str], row: Mapping[str, Any]) -> list[Way]:
    if isinstance(column, str):
        return [Way(column, (column,))] if column in row else list(_parsed(column))
    return [way for one in column for way in _ways(one, row)]


@lru_cache(maxsize=1024)
def _parsed(column: str) -> tuple[Way, ...]:
    parts = [hit[1] for hit in _PART.finditer(column) if hit[1]]
    return tuple(_way(part) for part in parts)


def _way(part: str) -> Way:
    if len(part) >= 2 and part[0] == part[-1] and part[0] in "\"'":
        return Way(part, text=part[1:-1].replace('\\"', '"') if part[0] == '"' else part[1:-1])
    if hit := _WORDS.fullmatch(part):
        words = [word.strip().partition(":") for word in hit["words"].split("|")]
        named = all(mark for _, mark, _ in words)
        pairs = tuple(
            (key, word) if named else (str(n), key + mark + word) for n, (key, mark, word) in enumerate(words)
        )
        return Way(part, _way(hit["way"].strip()).steps, words=pairs)
    steps: list[Step] = []
    for hit in _STEP.finditer(part):
        if hit["name"]:
            steps.append(hit["name"])
        steps += [int(place) if place else None for place in re.findall(r"\[(\d*)\]", hit["places"])]
    return Way(part, tuple(steps))


def _prefix(ways: Sequence[Way]) -> tuple[Step, ...]:
    """The steps up to the last list that what asks goes through element by element."""
    ends = [(max(n for n, step in enumerate(way.steps) if step is None) + 1, way) for way in ways if None in way.steps]
    length, way = max(ends, key=lambda end: end[0], default=(0, Way("")))
    return way.steps[:length]


def _within(way: Way, rows: tuple[Step, ...]) -> Way:
    """The way from a row of the list, where the file's reader has gone into the list already."""
    inside = way.text is None and way.steps[: len(rows)] == rows
    return replace(way, steps=way.steps[len(rows) :]) if inside else way


def _places(value: Any, rows: tuple[Step, ...]) -> Iterator[tuple[int, ...]]:
    """For each row the places that it has in the lists of `rows`; () for a row that is itself."""
    if None not in rows:
        yield ()
        return
    upto = rows.index(None)
    try:
        items = _walked(value, rows[:upto])
    except Absent:
        items = []
    for n, item in enumerate(items if isinstance(items, list) else []):
        for places in _places(item, rows[upto + 1 :]):
            yield (n, *places)


def _cell(name: str, ways: Sequence[Way], value: Any, rows: tuple[Step, ...], places: tuple[int, ...]) -> Any:
    found = []
    for way in ways:
        try:
            cell = way.text if way.text is not None else _walked(value, _bound(way.steps, rows, places))
        except Absent:
            cell = None
        found.append(way.of(cell, name))
    if len(ways) > 1 and name in _SEVERAL:
        while found and (found[-1] is None or found[-1] == ""):
            found.pop()  # a row may have fewer options than there are columns
        return found or None
    found = [_plain(name, cell) for cell in found if cell is not None]
    if len(ways) == 1:
        return found[0] if found else None
    found = ["\n\n".join(cell) if _are_texts(cell) else cell for cell in found]
    if not all(isinstance(cell, str) for cell in found):
        raise Fault(name, f"cannot be joined: {', '.join(kind(cell) for cell in found)}")
    return "\n\n".join(cell for cell in found if cell.strip()) if found else None


def _plain(name: str, cell: Any) -> Any:
    """A cell as a format takes it: numbers and truth values as texts, texts in a list as one."""
    if name not in _LISTS and _are_texts(cell):
        return "\n\n".join(cell)
    if isinstance(cell, bool | int | float) and name in _ANSWERS:
        return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return cell


def _are_texts(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(isinstance(item, str) for item in cell)


def _bound(steps: tuple[Step, ...], rows: tuple[Step, ...], places: tuple[int, ...]) -> tuple[Step, ...]:
    """The steps with the row's own places in the lists that it shares with what asks."""
    bound, left = list(steps), list(places)
    for n, (step, row) in enumerate(zip(steps, rows, strict=False)):
        if step != row:
            break
        if step is None:
            bound[n] = left.pop(0)
    return tuple(bound)


def _walked(value: Any, steps: tuple[Step, ...]) -> Any:
    """What lies at the end of the steps; of every element of a list, where a step says so. Absent if nothing does."""
    for n, step in enumerate(steps):
        if step is None:
            if not isinstance(value, list):
                raise Absent
            return [_walked(item, steps[n + 1 :]) for item in value]
        within = step in value if isinstance(value, dict) else isinstance(value, list) and step in range(len(value))
        if not within:
            raise Absent
        value = value[step]
    return value


def _passage(value: list[Any]) -> dict[str, Any] | None:
    """C3's and DREAM's row: a list of the passage's lines, its questions and an id."""
    if len(value) not in (2, 3) or not isinstance(value[0], list) or not isinstance(value[1], list):
        return None
    if not all(isinstance(line, str) for line in value[0]) or not all(isinstance(item, dict) for item in value[1]):
        return None
    return {"passage": "\n".join(value[0]), "questions": value[1], **({"id": value[2]} if len(value) == 3 else {})}
