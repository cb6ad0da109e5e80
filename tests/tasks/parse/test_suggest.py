"""What mapping a file of any columns gets: guessed from its values, and shown with the records that it gives."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.records import UsageError
from tasks.parse.suggest import suggest

SHEET = """Nr,Frage,Wahl eins,Wahl zwei,Wahl drei,Loesung,Thema
1,Was schmilzt zuerst?,Eis,Eisen,Sand,{},Physik
2,Wer war es?,Anna,Bert,Carl,{},Krimi
3,Wo liegt Rom?,Italien,Peru,Chile,{},Geografie
"""
CHOICES = ["Wahl eins", "Wahl zwei", "Wahl drei"]


def put(folder: Path, rows: Any) -> str:
    file = folder / ("a.csv" if isinstance(rows, str) else "a.jsonl")
    file.write_text(rows if isinstance(rows, str) else "".join(orjson.dumps(row).decode() + "\n" for row in rows))
    return str(file)


@pytest.mark.parametrize("keys", [("a", "C", "A"), ("Eis", "Carl", "Italien"), ("1", "3", "1")])
def test_a_sheet_s_options_are_found_by_what_its_key_names(tmp_path, keys):
    found = suggest(put(tmp_path, SHEET.format(*keys)))

    assert {"question": "Frage", "options": CHOICES, "answer": "Loesung"} == found["columns"]
    assert ["A", "C", "A"] == [record["answer"] for record in found["records"]]
    assert ("Anna", "Bert", "Carl") == found["records"][1]["options"]


@pytest.mark.parametrize(
    ("rows", "columns", "format"),
    [
        ([{"frage": "Wo?", "wahl": ["x", "y"], "gut": "y"}, {"frage": "Wer?", "wahl": ["u", "v"], "gut": "u"}],
         {"question": "frage", "options": "wahl", "answer": "gut"}, "choice"),
        ([{"n": 1, "kunde": {"sagt": "Es geht nicht, was nun?"}, "wir": "Schalten Sie es ein."}],
         {"prompt": "kunde.sagt", "completion": "wir"}, "prompt-completion"),
        ([{"n": 1, "worte": "Ein langer Text."}], {"text": "worte"}, "text"),
        ([{"question": "Which?", "options": ["x", "y"], "answer": "A"}], {}, "choice"),
    ],
)  # fmt: skip
def test_a_mapping_is_guessed_only_where_it_is_needed(tmp_path, rows, columns, format):
    found = suggest(put(tmp_path, rows))

    assert (columns, format) == (found["columns"], found["format"])
    assert not any(record["rejected"] for record in found["records"])


WORDS = ("Was ist rot?", "Was ist grün?", "Was ist blau?")
OPTIONS = (("Blut", "Gras", "Meer"), ("Schnee", "Gras", "Kohle"), ("Sand", "Gold", "Meer"))
LONG = "Blut enthält Eisen, und das ist rot, wenn Sauerstoff daran hängt."


def table(names: str, key: Any, *more: Any) -> list[dict[str, Any]]:
    """Three rows: the question, three options, what `key` says of the right one, and what else stands beside."""
    cells = [(WORDS[n], *OPTIONS[n], key(n), *more) for n in range(3)]
    return [dict(zip(names.split(), row, strict=True)) for row in cells]


@pytest.mark.parametrize(
    ("rows", "columns", "confidence"),
    [
        # options in columns: by letter, by text, by number; an explanation longer than any option stands beside
        (table("f x y z l", lambda n: "ABC"[n]), {"question": "f", "options": ["x", "y", "z"], "answer": "l"}, "likely"),
        (table("f x y z l", lambda n: OPTIONS[n][n]), {"question": "f", "options": ["x", "y", "z"], "answer": "l"}, "sure"),
        (table("f w1 w2 w3 ok e", lambda n: n + 1, LONG), {"question": "f", "options": ["w1", "w2", "w3"], "answer": "ok"}, "likely"),
        (table("f w1 w2 w3 ok e", lambda n: "ABC"[n], LONG), {"question": "f", "options": ["w1", "w2", "w3"], "answer": "ok"}, "likely"),
        ([{"l": row.pop("l"), **row} for row in table("f x y z l", lambda n: "abc"[n])],
         {"question": "f", "options": ["x", "y", "z"], "answer": "l"}, "likely"),
        ([{"a": f"Nenne {n}es", **dict(zip(("o1", "o2", "o3"), OPTIONS[n], strict=True)), "k": "CBA"[n]} for n in range(3)],
         {"question": "a", "options": ["o1", "o2", "o3"], "answer": "k"}, "likely"),
        # the rows' own numbers are no key: nothing names an option
        ([{"nr": n + 1, "f": WORDS[n], **dict(zip(("w1", "w2", "w3"), OPTIONS[n], strict=True))} for n in range(3)],
         {"question": "f", "options": ["w1", "w2", "w3"]}, "a guess"),
        # in a cell, in an object, in a list of objects
        ([{"f": WORDS[n], "wahl": "\n".join(f"{m}. {o}" for m, o in zip("ABC", OPTIONS[n], strict=True)), "l": "ABC"[n]} for n in range(3)],
         {"question": "f", "options": "wahl", "answer": "l"}, "sure"),
        ([{"q": {"txt": WORDS[n]}, "alts": [{"t": o} for o in OPTIONS[n]], "sol": n} for n in range(3)],
         {"question": "q.txt", "options": "alts[].t", "answer": "sol"}, "sure"),
        ([{"f": WORDS[n], "gut": OPTIONS[n][n], "schlecht1": "Gold", "schlecht2": "Eis", "thema": "x"} for n in range(3)],
         {"question": "f", "correct_answer": "gut", "incorrect_answers": ["schlecht1", "schlecht2"]}, "a guess"),
        ([{"stück": f"{n} " + "Ein langer Text. " * 20, "f": WORDS[n], "a": OPTIONS[n], "l": OPTIONS[n][0]} for n in range(3)],
         {"context": "stück", "question": "f", "options": "a", "answer": "l"}, "sure"),
        # true or false; a class; turns; SQL
        ([{"satz": f"Rom hat {n} Hügel.", "stimmt": n == 7} for n in range(8)],
         {"question": "satz", "options": ['"True"', '"False"'], "answer": "stimmt"}, "likely"),
        ([{"satz": f"Der Film {n} war lang.", "urteil": ("gut", "schlecht")[n % 2]} for n in range(8)],
         {"text": "satz", "label": "urteil"}, "likely"),
        ([{"verlauf": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}], {"messages": "verlauf"}, "sure"),
        ([{"frage": "Wie viele?", "tab": "CREATE TABLE t (a int)", "los": "SELECT count(*) FROM t"}],
         {"sql_prompt": "frage", "sql_context": "tab", "sql": "los"}, "sure"),
        # two texts: what all rows say, tags and titles are no answers
        ([{"bitte": "Immer sehr höflich und ausführlich antworten.", "kunde": f"Wie geht {n}?", "wir": f"So geht {n}."} for n in range(3)],
         {"prompt": "kunde", "completion": "wir"}, "likely"),
        ([{"kunde": f"Wie geht {n}?", "tags": [f"x{n}", "y", "z"], "wir": f"So geht {n}."} for n in range(3)],
         {"prompt": "kunde", "completion": "wir"}, "likely"),
        ([{"kunde": f"Wie geht {n}?", "antworten": [f"So {n}.", "Oder so."]} for n in range(3)],
         {"prompt": "kunde", "completion": "antworten[0]"}, "a guess"),
    ],
)  # fmt: skip
def test_an_unknown_file_s_columns_are_told_by_their_values(tmp_path, rows, columns, confidence):
    found = suggest(put(tmp_path, rows))

    assert (columns, confidence) == (found["columns"], found["confidence"])
    assert not any(record["rejected"] for record in found["records"])


def test_each_column_has_its_reason_and_what_else_is_possible_is_said(tmp_path):
    rows = [
        row | {"nr": n, "quelle": "x", "sprache": "de"}
        for n, row in enumerate(table("f x y z l", lambda n: OPTIONS[n][n]))
    ]
    found = suggest(put(tmp_path, rows))

    assert {
        "f": "question: 100% of its texts end as a question does",
        "l": "answer: each value is the text of one of x, y, z",
        **dict.fromkeys("xyz", "options: the answer is one of these"),
        "nr": "not used: the rows' own numbers",
        "quelle": "not used: all rows say the same",
        "sprache": "not used: all rows say the same",
    } == found["reasons"]
    assert [{"prompt": "f", "completion": "l"}] == found["others"]


def test_a_file_that_is_known_and_of_which_no_row_can_be_read_gets_a_mapping(tmp_path):
    rows = [
        {"question": f"Why {n}?", "human_answers": ["So."], "chatgpt_answers": ["Because it is."]} for n in range(3)
    ]

    assert {"prompt": "question", "completion": "human_answers[0]"} == suggest(put(tmp_path, rows))["columns"]


@pytest.mark.parametrize("odd", ["0]}", "1.5", "²", "Ａ", "", "-1", "9" * 400])
def test_odd_cells_raise_nothing_and_a_mapping_is_found_all_the_same(tmp_path, odd):
    rows = [{"k": odd, "frage": f"Wie geht {n}?", "erwiderung": f"So geht {n}."} for n in range(3)]

    assert {"prompt": "frage", "completion": "erwiderung"} == suggest(put(tmp_path, rows))["columns"]


def test_a_file_without_texts_has_no_mapping(tmp_path):
    with pytest.raises(UsageError, match="no reader knows this format"):
        suggest(put(tmp_path, [{"x": 1, "y": [2]}]))
