"""What a format says of the columns that it reads holds of its rows: the others are told as unread."""

import pytest

from storage.sources import readers
from storage.sources.formats.base import At
from storage.sources.formats.unread import Watched
from tests.storage.sources.test_formats import ROWS


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "competition",
            {"id": 1, "problem": "p", "questions": [{"question": "q", "options": ["x", "y"]}], "hint": "h"},
        ),
        ("knights", {**ROWS["knights"], "statements": "Ann lies.", "index": 3}),
        ("sql", {**ROWS["sql"], "sql_explanation": "It counts.", "evidence": "All.", "id": 1}),
        ("preference", {**ROWS["preference"], "id": 1, "why": "Kinder.", "source": "s"}),
        ("preference", {"question": "Hi", "response_j": "Ho", "response_k": "Hm", "metric": "m"}),
        ("text", {"text": "Hi", "id": "1", "url": "x", "summary": "Hi"}),
    ],
)
def test_a_format_reads_the_columns_that_it_says_it_reads(name, row):
    read: set[str] = set()
    format = readers.FORMATS[name]
    list(format.records(Watched.of(row, read), At("a.jsonl", 1)))

    assert format.reads is not None
    said = format.reads(tuple(row))
    assert said is not None
    assert said & row.keys() == {column for column in row if column in read}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("sql", {**ROWS["sql"], "response": "One."}),
        ("preference", {**ROWS["preference"], "system": "Be brief."}),
        ("preference", {**ROWS["preference"], "messages": None}),
        ("preference", {**ROWS["preference"], "history": []}),
    ],
)
def test_a_format_does_not_say_what_it_reads_where_that_depends_on_the_row(name, row):
    format = readers.FORMATS[name]

    assert format.reads is not None
    assert format.reads(tuple(row)) is None
