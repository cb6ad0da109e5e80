"""Rows of two sides become pairs: one score a side and question, matched by id.

{"id", "group", "gold", "answer" | None}      right where the answer is the key, however either is written
{"id", "group", "score" | None}               a tool's own score; None is an answer that could not be read
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from evals.answers import Plain, folded, plain, sensitive_to_case
from storage.records import UsageError

Row = Mapping[str, Any]
_BY_KEY, _BY_SCORE = ("id", "group", "gold", "answer"), ("id", "group", "score")


class Pair(NamedTuple):
    """One question: both scores, and which sides could not be read."""

    id: str
    group: str
    base: float
    adapter: float
    base_unreadable: bool
    adapter_unreadable: bool


class Pairs(NamedTuple):
    """Every question in the order of ids, and what is odd about a side."""

    pairs: list[Pair]
    warnings: list[str]


class _Judged(NamedTuple):
    group: str
    gold: Plain
    answer: Plain
    score: float | None
    by_score: bool


def pairs(base_rows: Iterable[Row], adapter_rows: Iterable[Row], names: tuple[str, str]) -> Pairs:
    """Both sides by id. UsageError where rows are no rows, or not of the same questions."""
    base, adapter = _by_id(base_rows, names[0]), _by_id(adapter_rows, names[1])
    _must_match(base, adapter, names)
    golds = {one.gold for side in (base, adapter) for one in side.values()}
    right = _rightness(cased=sensitive_to_case(golds))
    warnings = [
        said for side, name in zip((base, adapter), names, strict=True) if (said := _names_no_key(side, right, name))
    ]
    found = []
    for id in sorted(base):
        a, b = base[id], adapter[id]
        found.append(Pair(id, a.group, right(a), right(b), _unreadable(a), _unreadable(b)))
    return Pairs(found, warnings)


def _unreadable(one: _Judged) -> bool:
    return one.score is None if one.by_score else one.answer is None


def _rightness(*, cased: bool) -> Callable[[_Judged], float]:
    def right(one: _Judged) -> float:
        if one.by_score:
            return one.score or 0.0
        return float(one.answer is not None and folded(one.answer, cased=cased) == folded(one.gold, cased=cased))

    return right


def _names_no_key(side: Mapping[str, _Judged], right: Callable[[_Judged], float], name: str) -> str:
    """A word on a side whose answers are of another kind than the keys, such as texts where those are letters."""
    by_key = [one for one in side.values() if not one.by_score]
    keys = {folded(one.gold, cased=False) for one in by_key}
    answers = {folded(one.answer, cased=False) for one in by_key if one.answer is not None}
    if not by_key or not answers or keys & answers:
        return ""
    return (
        f"{name}: no answer is any of the keys that occur; keys are such as {_some(one.gold for one in by_key)}, "
        f"answers such as {_some(one.answer for one in by_key if one.answer is not None)}"
    )


def _some(values: Iterable[Plain]) -> str:
    texts = {" ".join(sorted(value)) if isinstance(value, frozenset) else str(value)[:40] for value in values}
    return ", ".join(repr(text) for text in sorted(texts)[:3])


def _by_id(rows: Iterable[Row], name: str) -> dict[str, _Judged]:
    found: dict[str, _Judged] = {}
    forms: dict[tuple[type, Any], Plain] = {}
    for number, row in enumerate(rows, 1):
        where = f"{name}, row {number}"
        if not isinstance(row, Mapping):
            raise UsageError(where, seen=f"{row!r:.80}", expected="an object with the fields " + ", ".join(_BY_KEY))
        wanted = _BY_SCORE if "score" in row else _BY_KEY
        if missing := [f for f in wanted if f not in row]:
            raise UsageError(where, seen=sorted(map(str, row)), expected=f"the fields {', '.join(wanted)}",
                             hint=f"add {', '.join(missing)}; an unreadable answer is null")  # fmt: skip
        id = _id(row["id"], where)
        if id in found:
            raise UsageError(where, seen=f"id {row['id']!r} a second time", expected="each id once",
                             hint="give one row a question: the winner of its vote")  # fmt: skip
        found[id] = _scored(row, where) if wanted is _BY_SCORE else _keyed(row, where, forms)
    if not found:
        raise UsageError(name, seen="no rows", expected="a row for each question", hint="evaluate first")
    return found


def _id(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        raise UsageError(where, seen=f"id {value!r:.80}", expected="a text or a number")
    return str(value)


def _scored(row: Row, where: str) -> _Judged:
    score = row["score"]
    if score is not None and (not isinstance(score, (int, float)) or not math.isfinite(score)):
        raise UsageError(where, seen=f"score {score!r:.80}", expected="a number, or null where nothing was scored")
    return _Judged(_group(row), None, None, None if score is None else float(score), True)


def _keyed(row: Row, where: str, forms: dict[tuple[type, Any], Plain]) -> _Judged:
    gold, answer = (_form(row[field], f"{where}, {field}", forms) for field in ("gold", "answer"))
    if gold is None:
        raise UsageError(where, seen="gold null" if row["gold"] is None else f"gold {row['gold']!r}",
                         expected="the key of the question", hint="leave out questions without a key")  # fmt: skip
    if isinstance(gold, frozenset) and isinstance(answer, str) and not isinstance(row["answer"], list):
        raise UsageError(where, seen=f"gold {row['gold']!r:.80}, answer {row['answer']!r:.80}",
                         expected="one key, or as many answers as keys",
                         hint="say what counts as right with a score: {\"id\", \"group\", \"score\"}")  # fmt: skip
    return _Judged(_group(row), gold, answer, None, False)


def _group(row: Row) -> str:
    """The row's group; a question that has none stands by itself."""
    return f"question {row['id']}" if row["group"] in (None, "") else str(row["group"])


def _form(value: object, where: str, forms: dict[tuple[type, Any], Plain]) -> Plain:
    """`plain`, remembered: a file of letters has few."""
    try:
        if isinstance(value, list):
            return plain(value)
        known = type(value), value
        if known not in forms:
            forms[known] = plain(value)
        return forms[known]
    except TypeError:
        raise UsageError(where, seen=f"{value!r:.80}", expected="a text, a number, or a list of such") from None


def _must_match(base: Mapping[str, _Judged], adapter: Mapping[str, _Judged], names: tuple[str, str]) -> None:
    for have, lack, where in ((base, adapter, names[1]), (adapter, base, names[0])):
        if missing := sorted(have.keys() - lack.keys()):
            raise UsageError(where, seen=f"{len(missing)} ids missing, the first {missing[0]!r}",
                             expected=f"the same {len(have)} ids on both sides",
                             hint="evaluate both on the same questions")  # fmt: skip
    for field in ("gold", "group"):
        for i in sorted(base):
            ours, theirs = (getattr(side[i], field) for side in (base, adapter))
            if ours is not None and theirs is not None and folded(ours, cased=False) != folded(theirs, cased=False):
                raise UsageError(f"question {i!r}, {field}",
                                 seen=f"{ours!r} in {names[0]}, {theirs!r} in {names[1]}",
                                 expected=f"the same {field} on both sides",
                                 hint="evaluate both on the same version of the questions")  # fmt: skip
