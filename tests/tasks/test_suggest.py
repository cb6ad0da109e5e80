"""What mapping a file of any columns gets: guessed from its values, and shown with the records that it gives."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.records import UsageError
from tasks.suggest import suggest

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


def test_a_file_without_texts_has_no_mapping(tmp_path):
    with pytest.raises(UsageError, match="no reader knows this format"):
        suggest(put(tmp_path, [{"x": 1, "y": [2]}]))
