"""A user's columns: ways into objects and lists, joined columns, fixed texts, options made of columns."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.records import UsageError
from storage.sources import readers, source
from tests.forms import told


def read(folder: Path, rows: Any, columns: Any, name: str = "a.jsonl") -> list[str]:
    content = orjson.dumps(rows) if name.endswith(".json") else b"".join(orjson.dumps(row) + b"\n" for row in rows)
    (folder / name).write_bytes(content)
    return [told(item) for item in readers.read(source.files([folder / name]), columns=columns)]


MCQ = {"stem": "Which?", "a": "x", "b": "y", "c": "z", "k": "B"}
ASKED = " ? Which? [x / y / z] B"


@pytest.mark.parametrize(
    ("row", "columns", "expected"),
    [
        ({"q": "Hi", "r": {"text": "Ho"}}, {"prompt": "q", "completion": "r.text"}, ["u: Hi | a: Ho"]),
        ({"q.x": "Hi", "r": ["no", "Ho"]}, {"prompt": "q.x", "completion": "r[1]"}, ["u: Hi | a: Ho"]),
        ({"q": "Hi", "r": "Well.", "a": 3}, {"prompt": "q", "completion": "r,a"}, ["u: Hi | a: Well.\n\n3"]),
        ({"q": "Hi", "r": None, "a": 3}, {"prompt": "q", "completion": ["r", "a"]}, ["u: Hi | a: 3"]),
        ({"q": "Is it?", "a": True}, {"prompt": "q", "completion": "a"}, ["u: Is it? | a: True"]),
        ({"q": "Hi", "a": 27.0}, {"prompt": "q", "completion": "a"}, ["u: Hi | a: 27"]),
        ({"q": "Hi", "a": "Ho"}, {"prompt": "q", "completion": "a", "system": '"Be kind, \\"you\\"."'},
         ['s: Be kind, "you". | u: Hi | a: Ho']),
        ({"q": "Hi", "a": "Ho"}, {"prompt": "q", "completion": "a", "system": "'Be.'"}, ["s: Be. | u: Hi | a: Ho"]),
        (MCQ, {"question": "stem", "options": ["a", "b", "c"], "answer": "k"}, [ASKED]),
        (MCQ, {"question": "stem", "options": "a,b,c", "answer": "k"}, [ASKED]),
        ({**MCQ, "c": None, "d": None}, {"question": "stem", "options": "a,b,c,d", "answer": "k"}, [" ? Which? [x / y] B"]),
        ({"q": "Is it?", "a": False}, {"question": "q", "options": '"True","False"', "answer": "a"},
         [" ? Is it? [True / False] B"]),
        ({"q": "Which?", "o": [{"t": "x"}, {"t": "y"}, {"t": "z"}], "k": "B"},
         {"question": "q", "options": "o[].t", "answer": "k"}, [ASKED]),
        ({"p": [{"t": "One."}, {"t": "Two."}], "q": "Why?", "a": "So."},
         {"context": "p[].t", "question": "q", "answer": "a"}, ["u: One.\n\nTwo.\n\nWhy? | a: So."]),
        ({"t": "T", "items": [{"i": "Hi", "o": "Ho"}, {"i": "Bye", "o": "Go"}]},
         {"prompt": "items[].i", "completion": "items[].o"}, ["u: Hi | a: Ho", "u: Bye | a: Go"]),
        ({"ps": [{"c": "P1", "qs": [{"q": "A?", "a": "1"}, {"q": "B?", "a": "2"}]}, {"c": "P2", "qs": [{"q": "C?", "a": "3"}]}]},
         {"context": "ps[].c", "question": "ps[].qs[].q", "answer": "ps[].qs[].a"},
         ["u: P1\n\nA? | a: 1", "u: P1\n\nB? | a: 2", "u: P2\n\nC? | a: 3"]),
        ({"question1": "A?", "question2": "B?", "is_duplicate": "1"},
         {"premise": "question1", "hypothesis": "question2", "label": "is_duplicate{not duplicate|duplicate}"},
         ["u: A?\n\nB? | a: duplicate"]),
        ({"sentence": "S.", "label": 2}, {"text": "sentence", "label": "label{1:bad|2:good}"}, ["u: S. | a: good"]),
        ({"q": "Which?", "o": ["x", "y"], "why": "It is."}, {"prompt": "q,o", "completion": "why"},
         ["u: Which?\n\nx\n\ny | a: It is."]),
        ({"a,b": "Hi", "c": "Ho"}, {"prompt": "a,b", "completion": "c"}, ["u: Hi | a: Ho"]),
    ],
)  # fmt: skip
def test_a_way_leads_to_what_it_says(tmp_path, row, columns, expected):
    assert expected == read(tmp_path, [row], columns)


def test_a_column_may_be_absent_in_a_row(tmp_path):
    rows = [{"q": "Hi", "a": "Ho"}] * 30 + [{"q": "Bye", "a": "Go", "sys": "s"}]
    found = read(tmp_path, rows, {"prompt": "q", "completion": "a", "system": "sys"})

    assert ["u: Hi | a: Ho"] * 30 + ["s: s | u: Bye | a: Go"] == found


def test_a_column_of_no_row_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(
        UsageError, match=r"no row has the column that system(?s:.*)sytem(?s:.*)did you mean system_prompt\?"
    ):
        read(
            tmp_path,
            [{"q": "Hi", "a": "Ho", "system_prompt": "s"}],
            {"prompt": "q", "completion": "a", "system": "sytem_prompt"},
        )


def test_a_missing_cell_is_told_by_the_user_s_own_name(tmp_path):
    found = read(tmp_path, [{"q": "Hi", "a": "Ho"}, {"q": "Hi"}], {"prompt": "q", "completion": "a"})

    assert ["u: Hi | a: Ho", "! a: missing field"] == found


@pytest.mark.parametrize("columns", [{}, {"prompt": "data[].input", "completion": "data[].output"}])
def test_a_way_into_the_list_of_one_object_is_the_way_of_its_rows(tmp_path, columns):
    rows = {"version": 1, "data": [{"input": "Hi", "output": "Ho"}, {"input": "Bye", "output": "Go"}]}

    assert ["u: Hi | a: Ho", "u: Bye | a: Go"] == read(tmp_path, rows, columns, "a.json")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"v": 1, "data": [{"question": "1?", "answer": "x"}]}, ["u: 1? | a: x"]),
        ({"a": {"b": {"rows": [{"question": "1?", "answer": "x"}]}}}, ["u: 1? | a: x"]),
        ({"e1": {"question": "1?", "answer": "x"}, "e2": {"question": "2?", "answer": "y"}}, ["u: 1? | a: x", "u: 2? | a: y"]),
        ({"train": {"rows": [{"question": "1?", "answer": "x"}]}, "test": {"rows": [{"question": "2?", "answer": "y"}]}},
         ["u: 1? | a: x", "u: 2? | a: y"]),
        ({"train": [{"question": "1?", "answer": "x"}], "test": [{"question": "2?", "answer": "y"}]},
         ["u: 1? | a: x", "u: 2? | a: y"]),
        ({"question": {"0": "1?", "1": "2?"}, "answer": {"0": "x", "1": "y"}}, ["u: 1? | a: x", "u: 2? | a: y"]),
        ({"question": ["1?", "2?"], "answer": ["x", "y"]}, ["u: 1? | a: x", "u: 2? | a: y"]),
        ({"columns": ["question", "answer"], "index": [0, 1], "data": [["1?", "x"], ["2?", "y"]]}, ["u: 1? | a: x", "u: 2? | a: y"]),
        ({"question": "1?", "answer": "x"}, ["u: 1? | a: x"]),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}, ["u: Hi | a: Ho"]),
        ({"passage": "P", "questions": [{"question": "Which?", "options": ["x", "y"], "answer": "B"}]}, ["P ? Which? [x / y] B"]),
        ({"instruction": "Say it.", "rows": [{"question": "1?", "answer": "x"}]}, ["u: Say it.\n\n1? | a: x"]),
    ],
)  # fmt: skip
def test_a_file_of_one_object_is_a_row_or_the_rows_in_it(tmp_path, value, expected):
    assert expected == read(tmp_path, value, {}, "a.json")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"a": [{"question": "1?", "answer": "x"}], "b": [{"question": "2?", "answer": "y"}]},
         r"several lists of rows: a\[\], b\[\]; map columns into one of them, such as a\[\]\.NAME"),
        ({"a": 1, "b": 2}, "a.json with columns a, b"),
    ],
)  # fmt: skip
def test_an_object_whose_rows_cannot_be_told_says_so(tmp_path, rows, words):
    with pytest.raises(UsageError, match=words):
        read(tmp_path, rows, {}, "a.json")
