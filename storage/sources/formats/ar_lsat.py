"""One passage a row, several questions to a passage.

    {"id": "199106_2-G_1", "passage": "…", "questions": [{"question": "…", "options": ["…", …], "answer": "B", …}]}
    {"id": "high1.txt", "article": "…", "questions": ["…", …], "options": [["…", …], …], "answers": ["B", …]}     RACE

AR-LSAT, QuALITY, C3, DREAM and LogicBench have the first shape, by several names. Rejects as in `competition`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.records import Question, Rejected
from storage.sources.formats.base import At, Cells, Convention, Fault, Format, texts
from storage.sources.formats.choice_names import OPTIONS, PASSAGES
from storage.sources.formats.competition import ITEM, observed, several
from storage.sources.formats.packed import unpacked

_LISTS = ("questions", "qas", "qa_pairs", "samples", "mcqs", "problems")


def sniff(row: Cells) -> bool:
    """A passage and a list of questions with options; one that is called a problem is `competition`'s."""
    return "problem" not in row and _passage(row) is not None and (_parallel(row) or _items(row) is not None)


def records(row: Cells, at: At) -> Iterator[Question | Rejected]:
    """Every question of a passage, or a reject in its place."""
    yield from several(_one_by_one(row), at, _passage(row) or "passage", "id")


def _observed(row: Cells) -> Convention:
    try:
        return observed(_one_by_one(row))
    except Fault:
        return Convention()


def _passage(row: Cells) -> str | None:
    for name in PASSAGES:
        value = row.get(name)
        if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(p, str) for p in value)):
            return name
    return "passage" if "passage" in row else None


def _items(row: Cells) -> str | None:
    for name in _LISTS:
        value = unpacked(row.get(name))
        if isinstance(value, list) and value and all(isinstance(item, dict) and ITEM.knows(item) for item in value[:1]):
            return name
    held = row.get("questions") if "passage" in row else None
    return "questions" if isinstance(held, list) and not _answered(held) else None


def _answered(items: list[Any]) -> bool:
    """Whether questions have answers and no options: no choices."""
    return bool(items) and all(isinstance(one, dict) and "answer" in one and not _optional(one) for one in items)


def _optional(item: Cells) -> bool:
    return any(name in item for name in OPTIONS)


def _parallel(row: Cells) -> bool:
    """Whether questions, options and answers are three lists."""
    asked, options = row.get("questions"), row.get("options")
    inner = asked if isinstance(asked, dict) else None
    if inner is not None:
        asked, options = inner.get("question"), inner.get("choice")
    return isinstance(asked, list) and isinstance(options, list) and all(isinstance(one, str) for one in asked)


def _one_by_one(row: Cells) -> dict[str, Any]:
    """The row with its questions as a list of objects. Fault where lists do not fit each other."""
    name = _passage(row) or "passage"
    kept = {column: row[column] for column in (name, "id") if column in row}
    if isinstance(kept.get(name), list):
        kept[name] = "\n".join(texts(row, name))
    inner = row.get("questions")
    if isinstance(inner, dict):  # the hub's: an object of lists
        parts = {"questions": inner.get("question"), "answers": inner.get("answer"), "options": inner.get("choice")}
        row = {**kept, **parts}
    if not _parallel(row):
        items = _items(row) or "questions"
        return {**kept, **({"questions": unpacked(row[items])} if items in row else {})}
    lists = [row["questions"], row["options"], row.get("answers") or [None] * len(row["questions"])]
    if len({len(one) if isinstance(one, list) else -1 for one in lists}) > 1:
        raise Fault("options", "lists of questions, options and answers that do not fit each other")
    asked = [{"question": q, "options": o, "answer": a} for q, o, a in zip(*lists, strict=True)]
    return {**kept, "questions": asked}


FORMAT = Format("ar-lsat", sniff, records, observed=_observed)
