"""The multiple choice that is read in one go is the question that is read part by part."""

from typing import Any

from storage.records import UsageError
from storage.sources.formats import choice, competition
from storage.sources.formats.base import At, Fault
from storage.sources.formats.choice_sets import SETS
from tests.choices import CASES, LISTED, Q

FOUR = {**Q, "options": LISTED}
ONE_BY_ONE = [
    {**FOUR, "answer": "B"},
    {**FOUR, "id": 7, "answer": "B", "context": "Water freezes."},
    {**FOUR, "id": None, "qid": "x", "answer": "B", "context": None},
    {**FOUR, "answer": "B", "context": " "},
    {**FOUR, "answer": "B", "context": ["Water.", "Iron."]},
    {**FOUR, "answer": "B", "context": Q["question"]},
    {**FOUR, "answer": "B", "context": "Water.", "hint": "Cold."},
    {**FOUR, "answer": "B", "context": "lost \ufffd"},
    {**FOUR, "answer": "B", "error_type": "bad_question_clarity"},
    {**FOUR, "answer": "B", "label": 1},
    {**FOUR, "answer": "b"},
    {**FOUR, "answer": "Z"},
    {**FOUR, "answer": ["B"]},
    {**FOUR, "answer": None},
    {**FOUR, "id": "\x00", "answer": "B"},
    {**Q, "options": ["B", "ice", "A"], "answer": "A"},
    {**Q, "options": ["A) ice", "B) iron"], "answer": "B"},
    {**Q, "options": ["ice", ""], "answer": "B"},
    {**Q, "options": ["ice", 3], "answer": "B"},
    {**Q, "options": ["ice"], "answer": "A"},
    {**Q, "options": {"A": "ice", "B": "iron"}, "answer": "B"},
    {**Q, "options": ["ice", "tin\x00"], "answer": "B"},
    {"question": " ", "options": LISTED, "answer": "B"},
    {"question": "Which?\nA. ice\nB. iron", "options": ["ice", "iron"], "answer": "B"},
    {"question": {"stem": "Which?", "options": LISTED}, "answer": "B"},
]


def read_by_its_sets(row: Any) -> list[Any]:
    """What each set that knows a row makes of it: a question and its notes, or what is wrong."""
    at, found = At("a.jsonl", 1), list[Any]()
    for chosen in (*(one for one in SETS if one.knows(row)), competition.ITEM):
        for problem in (None, "Cold."):
            try:
                question = chosen.read(row, at, problem)
                found.append((question, question.notes))
            except (Fault, UsageError) as error:
                found.append(str(error))
    return found


def test_what_is_read_in_one_go_is_what_is_read_part_by_part(monkeypatch):
    rows = [*ONE_BY_ONE, *(row for _, _, row, _ in CASES)]
    in_one_go = [read_by_its_sets(row) for row in rows]
    monkeypatch.setattr(choice, "question_of", lambda *_: None)

    assert [read_by_its_sets(row) for row in rows] == in_one_go
