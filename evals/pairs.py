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
_BY_KEY = dict.fromkeys(("id", "group", "gold", "answer")).keys()  # in this order in messages
_BY_SCORE = dict.fromkeys(("id", "group", "score")).keys()


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
    remembered: dict[tuple[Plain, Plain], float] = {}

    def right(one: _Judged) -> float:
        if one.by_score:
            return one.score or 0.0
        if one.answer is None:
            return 0.0
        if (known := remembered.get((one.gold, one.answer))) is None:
            known = float(folded(one.answer, cased=cased) == folded(one.gold, cased=cased))
            remembered[one.gold, one.answer] = known
        return known

    return right


def _names_no_key(side: Mapping[str, _Judged], right: Callable[[_Judged], float], name: str) -> str:
    """A word on a side whose answers are of another kind than the keys, such as texts where those are letters."""
    by_key = [one for one in side.values() if not one.by_score]
    keys = {folded(gold, cased=False) for gold in {one.gold for one in by_key}}
    answers = {folded(answer, cased=False) for answer in {one.answer for one in by_key} - {None}}
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
        at = name, number
        if type(row) is not dict and not isinstance(row, Mapping):
            raise UsageError(
                _where(at), seen=f"{row!r:.80}", expected="an object with the fields " + ", ".join(_BY_KEY)
            )
        wanted = _BY_SCORE if "score" in row else _BY_KEY
        if not row.keys() >= wanted and (missing := [f for f in wanted if f not in row]):
            raise UsageError(_where(at), seen=sorted(map(str, row)), expected=f"the fields {', '.join(wanted)}",
                             hint=f"add {', '.join(missing)}; an unreadable answer is null")  # fmt: skip
        id = row["id"]
        if type(id) is not str or not id:
            id = _id(id, at)
        if id in found:
            raise UsageError(_where(at), seen=f"id {row['id']!r} a second time", expected="each id once",
                             hint="give one row a question: the winner of its vote")  # fmt: skip
        found[id] = _scored(row, at) if wanted is _BY_SCORE else _keyed(row, at, forms)
    if not found:
        raise UsageError(name, seen="no rows", expected="a row for each question", hint="evaluate first")
    return found


def _where(at: tuple[str, int]) -> str:
    return f"{at[0]}, row {at[1]}"


def _id(value: object, at: tuple[str, int]) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        raise UsageError(_where(at), seen=f"id {value!r:.80}", expected="a text or a number")
    return str(value)


def _scored(row: Row, at: tuple[str, int]) -> _Judged:
    score = row["score"]
    if score is not None and (not isinstance(score, (int, float)) or not math.isfinite(score)):
        raise UsageError(_where(at), seen=f"score {score!r:.80}", expected="a number, or null where nothing was scored")
    return _Judged(_group(row), None, None, None if score is None else float(score), True)


def _keyed(row: Row, at: tuple[str, int], forms: dict[tuple[type, Any], Plain]) -> _Judged:
    gold, answer = _form(row["gold"], at, forms), _form(row["answer"], at, forms)
    if gold is None:
        raise UsageError(_where(at), seen="gold null" if row["gold"] is None else f"gold {row['gold']!r}",
                         expected="the key of the question", hint="leave out questions without a key")  # fmt: skip
    if type(gold) is frozenset and isinstance(answer, str) and not isinstance(row["answer"], list):
        raise UsageError(_where(at), seen=f"gold {row['gold']!r:.80}, answer {row['answer']!r:.80}",
                         expected="one key, or as many answers as keys",
                         hint='say what counts as right with a score: {"id", "group", "score"}')  # fmt: skip
    return _Judged(_group(row), gold, answer, None, False)


def _group(row: Row) -> str:
    """The row's group; a question that has none stands by itself."""
    group = row["group"]
    if type(group) is str and group:
        return group
    return f"question {row['id']}" if group in (None, "") else str(group)


def _form(value: object, at: tuple[str, int], forms: dict[tuple[type, Any], Plain]) -> Plain:
    """`plain`, remembered: a file of letters has few."""
    try:
        if isinstance(value, list):
            return plain(value)
        known = type(value), value
        if known not in forms:
            forms[known] = plain(value)
        return forms[known]
    except TypeError:
        raise UsageError(_where(at), seen=f"{value!r:.80}", expected="a text, a number, or a list of such") from None


def _must_match(base: Mapping[str, _Judged], adapter: Mapping[str, _Judged], names: tuple[str, str]) -> None:
    for have, lack, where in ((base, adapter, names[1]), (adapter, base, names[0])):
        if missing := sorted(have.keys() - lack.keys()):
            raise UsageError(where, seen=f"{len(missing)} ids missing, the first {missing[0]!r}",
                             expected=f"the same {len(have)} ids on both sides",
                             hint="evaluate both on the same questions")  # fmt: skip
    for i, ours in base.items():
        theirs = adapter[i]
        differ = None not in (ours.gold, theirs.gold) and ours.gold != theirs.gold
        if differ and folded(ours.gold, cased=False) != folded(theirs.gold, cased=False):
            raise _differs(i, "gold", ours.gold, theirs.gold, names)
        if ours.group != theirs.group:
            raise _differs(i, "group", ours.group, theirs.group, names)


def _differs(id: str, field: str, ours: object, theirs: object, names: tuple[str, str]) -> UsageError:
    return UsageError(
        f"question {id!r}, {field}",
        seen=f"{ours!r} in {names[0]}, {theirs!r} in {names[1]}",
        expected=f"the same {field} on both sides",
        hint="evaluate both on the same version of the questions",
    )
