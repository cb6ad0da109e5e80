"""The forms of published sets are read right, text by text, or refused with the true reason; nothing goes in silence."""

import re
from pathlib import Path

import orjson
import pytest

from storage.records import Rejected, UsageError
from storage.sources import readers, source
from storage.sources.formats.columns import is_metadata
from storage.sources.source_warnings import Oddities
from tests.forms import FILES, FORMS, Form, gpt, page, said, told


def read(form: Form, folder: Path) -> list[readers.Record | Rejected]:
    for name, content in form.files.items():
        (folder / name).write_bytes(orjson.dumps(content))
    file = folder / "rows.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in form.rows))
    return list(readers.read(source.files([file])))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_published_form_is_read_text_by_text(tmp_path, form):
    items = read(form, tmp_path)
    seen = [told(item) for item in items]

    assert form.becomes == [
        text[: len(right)] if right.startswith("!") else text for text, right in zip(seen, form.becomes, strict=True)
    ]
    if form.notes:
        first = next(item for item in items if not isinstance(item, Rejected))
        assert set(form.notes) <= set(first.notes)


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_is_read_text_by_text(tmp_path, name):
    file, content, right = FILES[name]
    (tmp_path / file).write_text(content)

    assert right == [told(item) for item in readers.read(source.files([tmp_path / file]))]


def test_the_page_of_forms_is_made_of_these_rows():
    text = (Path(__file__).resolve().parents[3] / "docs" / "forms.md").read_text("utf-8")

    assert text.endswith(page()), "write it anew: python -m tests.forms"


def test_rows_with_images_are_rejected_one_by_one(tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
        {
            "messages": [{"role": "user", "content": "<image>What?"}, {"role": "assistant", "content": "x"}],
            "images": ["c.png"],
        },
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}], "images": []},
    ]

    assert [told(item) for item in read(Form("images", rows, []), tmp_path)] == [
        "u: Hi | a: Ho",
        "! images: a row with images, and this release is text only",
        "u: Hi | a: Ho",
    ]


def test_a_file_of_images_beside_others_is_rejected_row_by_row(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(orjson.dumps({"messages": said("Hi", "Ho"), "images": ["c.png"]}))
    (tmp_path / "b.jsonl").write_bytes(orjson.dumps({"instruction": "Hi", "output": "Ho"}))

    assert [
        "! images: a row with images, and this release is text only",
        "u: Hi | a: Ho",
    ] == [told(item) for item in readers.read(source.files([tmp_path]))]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"PK", "a spreadsheet: save the sheet as CSV"),
        ("a.tar.gz", b"", "unpack it"),
        ("a.csv", "question,answer\nQ?,A\n".encode("utf-16"), "expected: UTF-8"),
        ("a.csv", "question,answer\nf\xfcr?,A\n".encode("latin-1"), "iconv -f LATIN1 -t UTF-8 a.csv > NEW"),
        ("a.csv", "question,answer\nQ?,A\n".encode("utf-16"), "iconv -f UTF-16 -t UTF-8 a.csv > NEW"),
        ("a.csv", "question,answer\nQ?,A\n".encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8 a.csv > NEW"),
        ("a.csv", "question,answer\n你好吗,很好\n".encode("gbk"), "iconv -f GB18030 -t UTF-8 a.csv > NEW"),
        ("a.csv", "question,answer\nどうですか,はい\n".encode("shift-jis"), "iconv -f ENCODING -t UTF-8 a.csv > NEW"),
        ("a.json", '[{"question": "你好吗"}]'.encode("utf-16"), "iconv -f UTF-16 -t UTF-8 a.json > NEW"),
        ("a.jsonl", '{"question": "你好吗"}'.encode("gbk"), "iconv -f GB18030 -t UTF-8 a.jsonl > NEW"),
        ("a.json", b'{\n"a" : "1",\n"a" : "2"\n}', "the key 'a' stands twice in one object, with values that differ"),
        ("a.jsonl", b"{'question': 'Q?'}\n", "a JSON object a line"),
    ],
)
def test_what_is_no_file_of_rows_says_what_it_is(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(words)):
        readers.formats_of(source.files([tmp_path / name]))


def test_one_warning_says_what_nobody_read(tmp_path):
    row = {"id": 1, "question": "Q", "answer": "A long one.", "hint": "h", "url": "u", "source": "s"}
    rows = [row, row | {"id": 2, "hint": ""}, {k: v for k, v in row.items() if k != "hint"} | {"id": 3, "note": ["n"]}]
    oddities = Oddities()
    for item in read(Form("unread", rows, []), tmp_path):
        oddities.see(item)

    assert [w["message"] for w in oddities.warnings() if w["kind"] == "unread"] == [
        "unread: hint (1 of 3 rows), note (1 of 3 rows)"
    ]


def test_the_reasons_of_a_choice_are_told_apart_from_what_shapes_it(tmp_path):
    row = {"question": "Which?", "options": ["x", "y"], "answer": "A", "explanation": "It is x.", "fact1": "x is."}
    oddities = Oddities()
    for item in read(Form("reasons", [row], []), tmp_path):
        oddities.see(item)

    assert [
        ("unread", "unread: fact1 (1 of 1 rows)"),
        (
            "unread-reasons",
            "reasons of the set's own are not learnt: explanation (1 of 1 rows): rationales are a teacher's ([reason]); "
            "to learn these words, map the columns of question and options as prompt, and completion=explanation",
        ),
    ] == [(w["kind"], w["message"]) for w in oddities.warnings() if w["kind"].startswith("unread")]


@pytest.mark.parametrize(
    ("name", "passed_over"),
    [
        *(
            (name, True)
            for name in (
                "meta_info",
                "examType",
                "sensor_id",
                "askedDate",
                "High-level domain",
                "Record ID",
                "fold-ind",
                "Unnamed: 0",
            )
        ),
        *(
            (name, True)
            for name in ("discipline", "source", "url", "license", "split", "lang", "difficulty", "year", "")
        ),
        *((name, False) for name in ("hint", "context", "tools", "options", "rationale", "solution", "facts", "题目")),
    ],
)
def test_metadata_is_known_in_any_spelling_and_what_shapes_a_lesson_is_none(name, passed_over):
    assert passed_over == is_metadata(name)


def test_a_key_of_a_turn_that_nobody_reads_is_told(tmp_path):
    turns = [
        {"role": "user", "content": "Hi", "name": "Ann"},
        {"role": "assistant", "content": "Ho", "rationale": "Hm."},
    ]
    (item,) = read(Form("turns", [{"messages": turns}], []), tmp_path)

    assert not isinstance(item, Rejected)
    assert item.notes == ("unread messages[].rationale",)


def test_rows_of_several_forms_of_dialogue_may_stand_in_one_file(tmp_path):
    rows = [
        {"query": "Hi", "response": "Ho"},
        {"messages": said("Hi", "Ho")},
        {"messages": said("Rome?", "Italy."), "rejected_response": "No."},
        {"conversations": gpt("Hi", "Ho")},
        {"instruction": "Hi", "output": "Ho"},
        {"query": "Hi"},
    ]

    assert [told(item) for item in read(Form("mixed", rows, []), tmp_path)] == [
        "u: Hi | a: Ho",
        "u: Hi | a: Ho",
        "u: Rome? >> Italy. << No.",
        "u: Hi | a: Ho",
        "u: Hi | a: Ho",
        "! answer: missing field",
    ]


def test_a_named_format_is_the_only_one(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(
        orjson.dumps({"question": "Hi", "answer": "Ho"}) + b"\n" + orjson.dumps({"messages": said("Hi", "Ho")})
    )
    formats = readers.formats_of([("a.jsonl", file)], "alpaca")

    assert [told(item) for item in readers.read([("a.jsonl", file)], formats)] == ["! instruction: missing field"] * 2


@pytest.mark.parametrize(
    ("row", "expected", "hint"),
    [
        ({"question": "Which one?", "reply_1": "That one."}, "question-answer (has question; misses answer)", "--suggest"),
        ({"instuction": "Say it.", "output": "It is."}, "alpaca (has output; misses instruction (is it instuction?))", "--suggest"),
        ({"x": 1, "y": [2]}, "columns that a format knows: docs/formats.md lists them", "no mapping can read it: no cell is a text"),
        ({"question": "Which one?", "n": 1}, "question-answer (has question; misses answer)", "--suggest"),
    ],
)  # fmt: skip
def test_an_unknown_file_is_told_the_nearest_formats_and_what_it_misses(tmp_path, row, expected, hint):
    (tmp_path / "a.jsonl").write_bytes(orjson.dumps(row))
    with pytest.raises(UsageError) as caught:
        readers.formats_of(source.files([tmp_path / "a.jsonl"]))

    assert expected in caught.value.expected
    assert hint in caught.value.hint
    assert len(caught.value.expected.split("); ")) <= 3


def test_a_mapping_that_reaches_no_row_says_why(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(orjson.dumps({"s": "S.", "l": 3}))
    with pytest.raises(
        UsageError, match=r"no row of a\.jsonl can be mapped\n.*label: '3' is none of 0, 1, which have words"
    ):
        readers.formats_of([("a.jsonl", tmp_path / "a.jsonl")], columns={"text": "s", "label": "l{bad|good}"})
