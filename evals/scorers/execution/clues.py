"""What queries say about the values that tell them apart.

A value is planted as what the comparison needs: for `strftime('%Y', born) = '1990'` a day of 1990, for
`substr(code, 1, 2) = 'AB'` a text that begins so, for `CAST(note AS INTEGER) = 3` a text that begins with 3.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from sqlglot import exp

from evals.scorers.execution.names import Names
from evals.scorers.execution.schema import Place, Schema

_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")
_CLOCKS = ("date", "datetime", "time", "julianday", "unixepoch", "strftime")  # functions whose first value is a date
_DATES = (exp.Date, exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.TimeToStr, exp.Timestamp)
_SUMS = (exp.Sum, exp.Avg, exp.Add, exp.Sub, exp.Mul, exp.Div)
_SAME = (exp.Cast, exp.Paren, exp.Lower, exp.Upper, exp.Trim, exp.Collate, exp.Round, *_DATES)  # value to value
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PARTS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2, "%j": 3}  # of strftime: digits
_LARGE, _ROWS = 10**12, 6  # a number that is no centre; rows of a usual group
Undo = Callable[[str], str | None]


@dataclass
class Clues:
    """What queries say about the values that tell them apart, by column."""

    values: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    texts: set[Place] = field(default_factory=set)
    counted: set[Place] = field(default_factory=set)  # texts that are added up or compared with numbers
    dated: set[Place] = field(default_factory=set)
    nullable: set[Place] = field(default_factory=set)
    sometimes: set[Place] = field(default_factory=set)  # counted by count(column): NULL in a database or two
    always: set[Place] = field(default_factory=set)  # one NULL would empty a NOT IN
    grouped: set[Place] = field(default_factory=set)
    repeated: set[Place] = field(default_factory=set)  # what HAVING counts rows of
    centres: dict[Place, int] = field(default_factory=dict)  # about which a column's mean or sum is compared
    size: int = 0  # the most rows that a group is asked to have
    joined: list[tuple[Place, Place]] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)


def clues(trees: Iterable[exp.Query], schema: Schema) -> Clues:
    """What to put into the tables so that these queries find something."""
    found = Clues()
    for tree in trees:
        names = Names(tree, schema)
        found.tables |= {t.name.lower() for t in tree.find_all(exp.Table) if schema.table(t.name)}
        for node in tree.find_all(exp.Predicate, exp.In, exp.Between):
            _compared(node, names, found)
        _centred(tree, names, found)
        for side in tree.find_all(exp.Predicate, *_SUMS):
            parts = [side.this, side.args.get("expression")]
            if not isinstance(side, exp.Predicate) or "number" in [names.kind(part) for part in parts]:
                found.counted |= {p for part in parts if part and (p := names.place(part)) is not None}
        for clock in tree.find_all(*_DATES, exp.Anonymous):
            if not isinstance(clock, exp.Anonymous) or clock.name.lower() in _CLOCKS:
                found.dated |= {p for c in clock.find_all(exp.Column) if (p := names.place(c)) is not None}
        for group in tree.find_all(exp.Group):
            places = {p for c in group.find_all(exp.Column) if (p := names.place(c)) is not None}
            found.grouped |= places
            having = group.parent.args.get("having") if group.parent else None
            if having is not None and having.find(exp.Count):
                found.repeated |= places
                asked = [int(n.name) for n in having.find_all(exp.Literal) if n.is_int and len(n.name) < 4]
                found.size = max([found.size, *asked])
        for count in tree.find_all(exp.Count):
            if place := names.place(count.this) if isinstance(count.this, exp.Column) else None:
                found.sometimes.add(place)
    return found


def is_number(text: str) -> bool:
    """Whether SQLite would take the text for a number, and it is a finite one."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def is_date(text: str) -> bool:
    """Whether the text is a day, or a day and a time, as SQLite writes them."""
    return _DATE.fullmatch(text) is not None


def _compared(node: exp.Expr, names: Names, found: Clues) -> None:
    places = [p for c in _own(node, exp.Column) if (p := names.place(c))]
    planted = _planted(node, names)
    for place in places:
        if isinstance(node, exp.Is):
            found.nullable.add(place)
        if planted is not None:
            continue
        literals = [one for one in _own(node, exp.Literal) if not _of_a_clock(one)]
        found.values[place] |= {literal.name for literal in literals}
        if any(literal.is_string and not is_number(literal.name) for literal in literals):
            found.texts.add(place)
    for place, value in planted or ():
        found.values[place].add(value)
        if not is_number(value):
            found.texts.add(place)
    if len(places) == 2 and isinstance(node, exp.EQ):
        found.joined.append((places[0], places[1]))
    if isinstance(node, exp.In) and node.args.get("query"):
        chosen = node.args["query"].unnest().selects
        other = names.place(chosen[0].unalias()) if chosen else None
        if other and places:
            found.joined.append((places[0], other))
        if other and isinstance(node.parent, exp.Not):
            found.always.add(other)


def _centred(tree: exp.Query, names: Names, found: Clues) -> None:
    """About which values a column must lie for its means or sums to be over and under what they are compared with."""
    aliases = {
        one.alias.lower(): one.this for one in tree.find_all(exp.Alias) if isinstance(one.this, exp.Avg | exp.Sum)
    }
    for node in tree.find_all(exp.Predicate, exp.Between):
        numbers = [float(one.name) for one in _own(node, exp.Literal) if is_number(one.name)]
        called = [aliases.get(c.name.lower()) for c in _own(node, exp.Column) if names.place(c) is None]
        for summed in [*_own(node, exp.Avg), *_own(node, exp.Sum), *filter(None, called)]:
            place = names.place(summed.this) if isinstance(summed.this, exp.Column) else None
            if place is not None and numbers and abs(numbers[0]) < _LARGE:
                found.centres[place] = int(numbers[0] / (_ROWS if isinstance(summed, exp.Sum) else 1))


def _own(node: exp.Expr, kind: type[exp.Expr]) -> Iterator[exp.Expr]:
    """Columns or literals of a comparison, also inside a function, but of no query or comparison inside it."""
    return (c for c in node.find_all(kind) if c.find_ancestor(exp.Predicate, exp.In, exp.Query) is node)


def _of_a_clock(literal: exp.Expr) -> bool:
    """A form or a modifier of a date function, such as '%Y' or '+1 day'."""
    if is_number(literal.name) or is_date(literal.name):
        return False
    around = literal.find_ancestor(*_DATES, exp.Anonymous, exp.Predicate)
    return isinstance(around, _DATES) or (isinstance(around, exp.Anonymous) and around.name.lower() in _CLOCKS)


def _planted(node: exp.Expr, names: Names) -> list[tuple[Place, str]] | None:
    """What makes a comparison of a function of one column with values true; None where it is no such comparison."""
    sides = [node.this, node.args.get("expression"), *node.expressions, node.args.get("low"), node.args.get("high")]
    given = [side for side in sides if isinstance(side, exp.Expr)]
    literals = [s for s in map(_literal, given) if s is not None]
    functions = [s for s in given if _literal(s) is None]
    if len(functions) != 1 or not literals or isinstance(functions[0], exp.Column):
        return None
    inner, undo = _undone(functions[0])
    place = names.place(inner) if undo and isinstance(inner, exp.Column) else None
    if place is None:
        return None
    if isinstance(node, exp.Like):
        literals = [text.replace("%", "").replace("_", "a") for text in literals]
    planted = []
    for text in literals:
        value: str | None = text
        for step in undo:
            value = step(value) if value is not None else None
        if value is not None:
            planted.append((place, value))
    return planted


def _literal(node: exp.Expr) -> str | None:
    """The text of a literal, also one with a sign or within CAST or date()."""
    if isinstance(node, exp.Literal):
        return node.name
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return f"-{node.this.name}"
    if isinstance(node, exp.Paren | exp.Cast | exp.Date | exp.TsOrDsToDate) and isinstance(node.this, exp.Expr):
        return _literal(node.this)
    return None


def _undone(node: exp.Expr) -> tuple[exp.Expr, list[Undo]]:
    """The expression inside the functions around it, and what leads from their value back to its own."""
    steps: list[Undo] = []
    while not isinstance(node, exp.Column):
        if isinstance(node, exp.TimeToStr):
            steps.append(_day_of(node.args["format"].name))
        elif isinstance(node, exp.Substring):
            steps.append(_text_with(node))
        elif isinstance(node, exp.Length):
            steps.append(_text_of_length)
        elif not isinstance(node, _SAME) or not isinstance(node.this, exp.Expr):
            return node, []
        node = node.this
    return node, steps or [str]


def _text_of_length(digits: str) -> str | None:
    return _LETTERS[: int(digits)] if digits.isdigit() and int(digits) <= len(_LETTERS) else None


def _day_of(form: str) -> Undo:
    """From what strftime gives for a form of plain parts to a day that gives it."""

    def day(text: str) -> str | None:
        whole = text
        for part, digits in _PARTS.items():
            if form == part and text.isdigit():
                whole = text.zfill(digits)
        with suppress(ValueError):
            dated = "%Y" in form
            read = datetime.strptime(whole if dated else f"{whole} 2012", form if dated else f"{form} %Y")
            filled = read.replace(month=5, day=17) if form == "%Y" else read
            return filled.strftime("%Y-%m-%d" if filled.time() == datetime.min.time() else "%Y-%m-%d %H:%M:%S")
        return None

    return day


def _text_with(node: exp.Substring) -> Undo:
    """From a part of a text to a text that has it there; a part of digits is taken for that of a day."""
    start, length = node.args.get("start"), node.args.get("length")
    place = int(start.name) - 1 if isinstance(start, exp.Literal) and start.is_int else None

    def text(part: str) -> str | None:
        if place is None or not 0 <= place < 40:
            return None
        around = "2012-05-17" if part.replace("-", "").isdigit() else "m" * 40
        cut = part[: int(length.name)] if isinstance(length, exp.Literal) and length.is_int else part
        return around[:place].ljust(place, "m") + cut + around[place + len(cut) : 10]

    return text
