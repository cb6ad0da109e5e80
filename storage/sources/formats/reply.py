r"""The reply that a row teaches: its answer, its worked way, its thoughts, by the names of `columns`.

{"answer": "2"}                                              2
{"solution": "Add: 1 + 1 = 2.", "answer": "2"}               Add: 1 + 1 = 2.     scored against 2
{"thinking_trajectories": ["Hm."], "attempt": "2"}           <think>\nHm.\n</think>\n\n2
{"rationale": "Add.", "answer": "2"}                         Add.\n\n2           scored against 2
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from storage.sources.formats import columns, prose
from storage.sources.formats.base import Cells, Fault, said
from storage.sources.formats.packed import unpacked
from storage.sources.formats.turns import call, with_reasoning

_PACKED = ("solutions", "possible_answers")  # which may be JSON in a text
_SETTINGS = frozenset(("on", "off", "yes", "no", "true", "false", "none", "minimal", "low", "medium", "high"))


class Reply(NamedTuple):
    """What is learnt, the column it is from, and what a scorer may compare with."""

    text: str
    column: str
    about: dict[str, Any]


def column(row: Cells, names: tuple[str, ...]) -> str | None:
    """The first of `names`, in any case, that holds something in `row`; else the first that is there; else None."""
    return first(row, present(tuple(row), names))


def first(row: Cells, there: tuple[str, ...]) -> str | None:
    """Of columns that are there the first that holds something in `row`, else the first; None where there are none."""
    if len(there) < 2:
        return there[0] if there else None
    return next((name for name in there if not _blank(row[name])), there[0])


@lru_cache(maxsize=1 << 12)
def present(columns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that are called as one of `names` is, in any case, in the order of `names`."""
    lowered = {column.lower(): column for column in reversed(columns)}
    return tuple(name if name in columns else lowered[name] for name in names if name in lowered)


def holds(row: Cells, names: tuple[str, ...]) -> bool:
    """Whether one of `names`, in any case, is a column of `row` that is not null."""
    name = column(row, names)
    return name is not None and row.get(name) is not None


def replies(row: Cells) -> bool:
    """Whether a row has a reply of any kind."""
    names = (columns.REPLY, columns.SOLUTION, columns.ANSWER)
    return any(holds(row, one) for one in names) or _beside(tuple(row)) is not None


@lru_cache(maxsize=1 << 12)
def _beside(names: tuple[str, ...], pairs: tuple[tuple[str, str], ...] = columns.BESIDE) -> str | None:
    """The column that is a reply, or thoughts, because of another that stands beside it."""
    found = (present(names, pair) for pair in pairs)
    return next((there[0] for there in found if len(there) == 2), None)


def reply(row: Cells, notes: set[str]) -> Reply:
    """The reply of a row. Fault if it has none."""
    if (alone := _alone(tuple(row))) is not None and isinstance(row[alone], str):
        return Reply(said(row[alone], alone), alone, {})
    names = [column(row, columns.REPLY), column(row, columns.SOLUTION), column(row, columns.ANSWER)]
    if not any(names) or "reasoning_content" in row:
        names[0] = names[0] or _beside(tuple(row))
    given, worked, short = (None if name is None or _blank(row.get(name)) else name for name in names)
    if given is None and worked is None and short is None:
        field = next((name for name in names if name is not None), None)
        if field is None:
            raise Fault("answer", "missing field")
        prose.answers(row[field], field)
        raise Fault(field, f"empty {field}")
    if calls := _calls(row, short):
        return Reply(calls, short or "", {})
    text, name = _learnt(row, given, worked, short)
    about: dict[str, Any] = {}
    for other in (short, worked):
        if other is not None and other != name:
            about = {"answer": prose.answers(row[other], other)[0]}
            break
    if name == short and len(all_of_it := prose.answers(_listed(row[name], name), name)) > 1:
        about = {"answers": all_of_it}
        notes.add("first-of-answers")
    return _reasoned(row, Reply(text, name, about), notes)


@lru_cache(maxsize=1 << 12)
def _alone(names: tuple[str, ...]) -> str | None:
    """The only column that has to do with a reply, where a row has just one and it says the reply itself."""
    ours = (columns.REPLY, columns.SOLUTION, columns.ANSWER, columns.RATIONALE, columns.THOUGHTS)
    there = [name for kind in ours for name in present(names, kind)]
    packed = bool(there) and there[0].lower() in _PACKED
    if len(there) != 1 or packed or "tools" in names or _beside(names, columns.THOUGHTS_BESIDE):
        return None
    return there[0] if present(names, sum(ours[:3], ())) else None


def _learnt(row: Cells, given: str | None, worked: str | None, short: str | None) -> tuple[str, str]:
    """The text to learn and its column: a reply, else the longer one of a worked way and the answer."""
    if given is not None:
        return _joined(row, given), given
    answer = _joined(row, short) if short else ""
    if worked:
        way = _joined(row, worked)
        if len(way) >= len(answer):
            return way, worked
    return answer, short or worked or ""


def _joined(row: Cells, name: str) -> str:
    """The first of several answers; spans are one answer of several parts."""
    value = _listed(row[name], name)
    several = prose.answers((prose.table(value) if isinstance(value, dict) else "") or value, name)
    return ", ".join(several) if name == "answers_spans" else several[0]


def _listed(value: object, name: str) -> object:
    """Several solutions or answers that stand as JSON in a text, as APPS and PopQA have them; any other as it is."""
    return unpacked(value) if name.lower() in _PACKED else value


def _reasoned(row: Cells, answer: Reply, notes: set[str]) -> Reply:
    """The reply after the reasoning that stands in columns of its own."""
    about, text = dict(answer.about), answer.text
    name = column(row, columns.RATIONALE)
    if name is not None and not _blank(row.get(name)) and (steps := _steps(row[name], name)) not in text:
        about.setdefault("answer", text)
        text = f"{steps}\n\n{text}"
        notes.add("joined-rationale")
    name = column(row, columns.THOUGHTS) or _beside(tuple(row), columns.THOUGHTS_BESIDE)
    if name is not None and not _blank(row.get(name)) and "</think>" not in text and not _is_setting(row[name]):
        text = with_reasoning(prose.answers(row[name], name)[0], text)
        notes.add("kept-reasoning")
    return Reply(text, answer.column, about)


def reasoned(row: Cells, answer: str, notes: set[str]) -> str:
    """An answer after the rationale and the thoughts that stand beside it; `notes` tell of them."""
    return _reasoned(row, Reply(answer, "", {}), notes).text


def _is_setting(value: object) -> bool:
    """Whether a word says how much was thought, not what: "off", "high"."""
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in _SETTINGS)


def _steps(value: object, field: str) -> str:
    return "\n".join(said(step, field) for step in value) if isinstance(value, list) else said(value, field)


def _calls(row: Cells, short: str | None) -> str:
    """The calls of functions that are the answer, where tools stand beside it: xLAM."""
    value = unpacked(row.get(short)) if short and row.get("tools") else None
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) and "name" in item for item in value):
        return ""
    return "\n".join(call(item, f"{short}[{n}]") for n, item in enumerate(value))


def _blank(value: object) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())
