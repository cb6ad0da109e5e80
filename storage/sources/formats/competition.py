"""Competition problems: one problem a row, several questions to a problem.

    {"id": "p_000", "problem": "…", "questions": [{"question": "…", "options": ["…", "…"], "answer": "B"}]}

Options and keys come in every shape of `options` and `keys`; `answer` may be absent or null (test files);
`id` is kept for people, may be absent and may be a number; further fields are passed over.

What is rejected, and how much of it: a bad question goes alone, its siblings stay. A fault of the
problem (missing, blank, damaged text) takes its questions along, one rejected row each, so that
accepted and rejected questions together are all there were. A row whose questions cannot be counted
is one rejected row. Of several faults the first is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from storage.records import Question, Rejected
from storage.sources.formats.base import At, Cells, Convention, Fault, Format, kind, listed, named, said, text
from storage.sources.formats.choice import ChoiceSet

PREFIX = re.compile(r"^\s*选择题\s*(?P<number>\d+)\s*[:：]")


def sniff(row: Cells) -> bool:
    """A problem and a list of questions."""
    return "problem" in row and isinstance(row.get("questions"), list)


def records(row: Cells, at: At) -> Iterator[Question | Rejected]:
    """Every question of a problem, or a reject in its place."""
    return several(row, at, "problem", "id")


def number(question: Question) -> int | None:
    """The number that a question's text begins with, if it does; it is no index."""
    hit = PREFIX.match(question.question)
    return int(hit["number"]) if hit else None


def several(row: Cells, at: At, problem: str, id: str) -> Iterator[Question | Rejected]:
    """The questions below `questions`, all of the problem at the field `problem`."""
    try:
        items = listed(row, "questions")
        name, said_once = named(row, id), text(row, problem)
        if not items:
            raise Fault("questions", "no questions")
    except Fault as fault:
        held = row.get("questions")
        lost = len(held) if isinstance(held, list) and held else 1
        for index in range(lost):
            of = f" (question {index + 1} of {lost})" if lost > 1 else ""
            yield at.reject(Fault(fault.field, fault.reason + of))
        return
    for index, item in enumerate(items):
        try:
            yield _question(item, said_once, name, at)
        except Fault as fault:
            where = f"questions[{index}]"
            yield at.reject(Fault(f"{where}.{fault.field}" if fault.field else where, fault.reason))


def _question(item: object, problem: str, name: str, at: At) -> Question:
    if not isinstance(item, dict):
        raise Fault("", f"not an object but {kind(item)}")
    if not isinstance(asked := item.get("question"), str) or "选择题" in asked:
        said(PREFIX.sub("", text(item, "question")), "question")
    if "q_type" in item and item.keys() >= _SPATIAL:
        return SPATIAL.read(_with_words(item), _first(at, 0), problem, name)
    if "writer_label" in item:  # QuALITY's labels count from 1
        at = _first(at, 1)
    return ITEM.read(item, at, problem, name)


def _first(at: At, number: int) -> At:
    """The place of a row whose numbers are known to count from 0 or 1."""
    known = Convention(first=number)
    return at._replace(convention=lambda: known, whole=lambda: known)


def _with_words(item: Cells) -> Cells:
    """SpartQA's question of yes and no, whose options no row has."""
    return {**item, "candidate_answers": ["Yes", "No", "DK"]} if item["q_type"] == "YN" else item


_SPATIAL = {"q_type", "candidate_answers", "question", "answer"}
SPATIAL = ChoiceSet("question", "SpartQA", question=("question",), options=("candidate_answers",), key=("answer",))
ITEM = ChoiceSet("question", "one of several questions", question=("question",), letters=True)


def observed(row: Cells) -> Convention:
    """What the keys of a row's questions say of how they are to be read."""
    items = row.get("questions")
    found = (
        [ITEM.observed(item) for item in items if isinstance(item, dict) and not item.keys() >= _SPATIAL]
        if isinstance(items, list)
        else []
    )
    return sum(found, Convention())


_READ = frozenset(("problem", "questions", "id"))
FORMAT = Format("competition", sniff, records, number=number, observed=observed, reads=lambda columns: _READ)
