"""Containers: the same rows out of each of them, what is torn told in its place, and nothing raises."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from storage.records import Rejected
from storage.sources import json_array
from storage.sources.rows import Row, rows

relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
SAID = [{"a": "x, y", "b": "“"}, {"a": 'l1\nl2 "q"', "b": "7"}]


def lines(said: list[Any]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in said)


def table(said: list[Any]) -> pa.Table:
    return pa.Table.from_pylist(said)


def arrow(said: list[Any], *, file: bool) -> bytes:
    out = pa.BufferOutputStream()
    made = pa.ipc.new_file if file else pa.ipc.new_stream
    with made(out, table(said).schema) as writer:
        writer.write_table(table(said))
    return bytes(out.getvalue())


def parquet(said: list[Any]) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(table(said), out)
    return bytes(out.getvalue())


def packed_zst(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def csv(said: list[Any], separator: str = ",") -> bytes:
    return pl.DataFrame(said).write_csv(separator=separator).encode()


def zipped(said: list[Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("__MACOSX/._a.jsonl", b"x")
        file.writestr("README.md", b"# What it is")
        file.writestr("data/a.jsonl", lines(said))
    return out.getvalue()


CONTAINERS: dict[str, Callable[[list[Any]], bytes]] = {
    "a.jsonl": lines,
    "a.ndjson": lines,
    "no-suffix": lines,
    "a.txt": lines,
    "lines.json": lines,
    "a.json": lambda said: json.dumps(said, indent=2).encode(),
    "b.json": lambda said: b"\xef\xbb\xbf" + orjson.dumps(said),
    "a.jsonl.gz": lambda said: gzip.compress(lines(said)),
    "a.json.gz": lambda said: gzip.compress(orjson.dumps(said)),
    "a.jsonl.zst": lambda said: packed_zst(lines(said)),
    "a.zip": zipped,
    "array.jsonl": lambda said: json.dumps(said, indent=1).encode(),
    "array.ndjson": orjson.dumps,
    "objects.json": lambda said: b"\n".join(json.dumps(row, indent=2).encode() for row in said),
    "a.csv": csv,
    "a.csv.gz": lambda said: gzip.compress(b"\xef\xbb\xbf" + csv(said)),
    "a.tsv": lambda said: csv(said, "\t"),
    "a.parquet": parquet,
    "stream.arrow": lambda said: arrow(said, file=False),
    "file.arrow": lambda said: arrow(said, file=True),
}


def taken(folder: Path, name: str, content: bytes) -> list[Row | Rejected]:
    (folder / name).write_bytes(content)
    return list(rows(name, folder / name))


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_rows(tmp_path, name):
    found = taken(tmp_path, name, CONTAINERS[name](SAID))

    assert [item.value for item in found if isinstance(item, Row)] == SAID
    assert len(found) == 2


@pytest.mark.parametrize("name", sorted({*CONTAINERS} - {"a.csv", "a.tsv"}))  # whose last cell may be any length
def test_a_container_cut_short_gives_what_came_before_and_one_reject_at_least(tmp_path, name):
    said = [{"a": f"{n}", "b": "x" * 50} for n in range(3000)]
    whole = CONTAINERS[name](said)
    found = taken(tmp_path, name, whole[: len(whole) * 2 // 3])
    good = [item.value for item in found if isinstance(item, Row)]

    assert good == said[: len(good)]
    assert len(good) < 3000
    assert isinstance(found[-1], Rejected)


@relaxed
@given(name=st.sampled_from(list(CONTAINERS)), content=st.binary(max_size=200))
def test_no_bytes_make_a_container_raise(tmp_path, name, content):
    for item in taken(tmp_path, name, content):
        assert isinstance(item, Row | Rejected)


@relaxed
@given(name=st.sampled_from(list(CONTAINERS)), place=st.floats(0, 1), byte=st.integers(0, 255))
def test_no_damaged_byte_makes_a_container_raise(tmp_path, name, place, byte):
    content = bytearray(CONTAINERS[name](SAID))
    content[int(place * (len(content) - 1))] = byte

    for item in taken(tmp_path, name, bytes(content)):
        assert isinstance(item, Row | Rejected)


@relaxed
@given(st.lists(st.binary() | st.just(b'{"a": 1}')))
def test_rows_and_rejects_are_all_the_lines_there_are(tmp_path, said):
    content = b"\n".join(said)
    assume(not content.lstrip().startswith(b"["))  # a list is no lines
    split = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    written = [n for n, line in enumerate(split, start=1) if line.strip(b" \t\r")]

    assert [item.line for item in taken(tmp_path, "a.jsonl", content)] == written


VALUES = st.recursive(
    st.none() | st.integers(0, 9) | st.text('a"\\[]{},\n中'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\[]{},\n'), inner, max_size=3),
    max_leaves=8,
)


@relaxed
@given(said=st.lists(VALUES), chunk=st.integers(1, 7), indent=st.sampled_from([None, 2]))
def test_an_array_is_cut_where_its_values_end_however_it_arrives(said, chunk, indent):
    content = json.dumps(said, indent=indent).encode()
    before = json_array._CHUNK
    json_array._CHUNK = chunk
    try:
        found = [orjson.loads(value) for _, value in json_array.values(io.BytesIO(content))]
    finally:
        json_array._CHUNK = before

    assert found == said


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a": 1},\n{"a": {"b": 2}},\n{"a": 3}\n', [1, {"b": 2}, 3]),
        (b'[{"a": 1}, {"a": }, {"a": 3}]', [1, (2, "line", "broken JSON"), 3]),
        (b'[{"a": 1}, {"a": 2}}, {"a": 3}]', [1, (2, "line", "broken JSON"), 3]),
        (b'[{"a": 1},, {"a": 3}]', [1, 3]),
        (b'[{"a": 1}', [1, (2, "file", "the file ends before its array does")]),
        (b'[{"a": 1}] []', [1, (2, "file", "something stands after the end")]),
        (b'[{"a": "\xff"}, {"a": 2}]', [(1, "line", "not UTF-8 at byte 8"), 2]),
        (b'[{"a": "\\ud800"}]', [(1, "line", "broken JSON")]),
        (b"[]", []),
        (b"", []),
    ],
)
def test_a_broken_value_costs_itself_alone(tmp_path, content, told):
    found = taken(tmp_path, "a.json", content)

    for expected, item in zip(told, found, strict=True):
        if isinstance(item, Row):
            assert item.value == {"a": expected}
        else:
            assert ((item.line, item.field), expected[2] in item.reason) == (expected[:2], True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\n1,2\n\n3\n4,5\n", [(2, {"a": "1", "b": "2"}), (4, "1 cells, expected 2"), (5, {"a": "4", "b": "5"})]),
        (b'a,b\n"x\ny",2\n3,\xff\n5,6\n', [(2, {"a": "x\ny", "b": "2"}), (4, "not UTF-8"), (5, {"a": "5", "b": "6"})]),
        (b"a,a\n1,2\n", [(1, "no header")]),
        (b"", []),
    ],
)
def test_csv_is_read_by_its_header_and_a_bad_row_goes_alone(tmp_path, content, told):
    found = taken(tmp_path, "a.csv", content)

    assert [item.line for item in found] == [line for line, _ in told]
    for (_, expected), item in zip(told, found, strict=True):
        assert item.value == expected if isinstance(item, Row) else expected in item.reason


def test_plain_text_is_a_row_a_paragraph_and_of_a_long_one_a_row_a_line(tmp_path):
    found = taken(tmp_path, "a.txt", b"one\n  two\n\n\nthree\r\n\n" + b"line\n" * 1500)
    texts = [item.value["text"] for item in found if isinstance(item, Row)]

    assert texts[:2] == ["one\n  two", "three"]
    assert [item.line for item in found[:3]] == [1, 5, 7]
    assert len(texts) == 2 + 1001 + 1
    assert texts[2] == "line"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        # a quote that does not close: its line is lost, those after it are read
        ("a.csv", b'a,b\n1,"x\n3,4\n5,6\n', ["! 2 a quote does not close before line 4", "3 3 4", "4 5 6"]),
        ("a.csv", b'a,b\n1,"x\n3,"y"\n5,6\n', ["! 2 a quote does not close", "3 3 y", "4 5 6"]),
        ("a.csv", b'a,b\n1,"x\ny"\n5,6\n', ["2 1 x\ny", "4 5 6"]),
        ("a.csv", b'a;b\n1;2,5\n', ["2 1 2,5"]),
        # a string that does not close in an array
        ("a.json", b'[\n{"a": 1, "b": 2},\n{"a": "3, "b": 4},\n{"a": 5, "b": 6},\n{"a": 7, "b": 8}\n]',
         ["1 1 2", "! 2 broken JSON", "3 5 6", "4 7 8", "! 5 the file ends before its array does"]),
        ("a.json", b'[\n  {\n    "a": 1,\n    "b": {2\n  },\n  {\n    "a": 5,\n    "b": 6\n  }\n]',
         ["! 1 lines 2 to 5 are lost", "2 5 6", "! 3 the file ends before"]),
        # objects over several lines
        ("a.json", b'{\n "a": 1,\n "b": 2\n}', ["1 1 2 whole"]),
        ("a.json", b'{"a": 1, "b": 2}', ["1 1 2 whole"]),
        ("a.jsonl", b'{\n "a": 1,\n "b": 2\n}\n\n{\n "a": 3,\n "b": 4\n}\n', ["1 1 2", "6 3 4"]),
        ("a.json", b'{\n "a": 1,\n "b": \n}\n{\n "a": 3,\n "b": 4\n}\n', ["! 1 lines 1 to 4 are lost", "5 3 4"]),
        # one object, torn: what lies in its list is read, and that it is torn is told
        ("a.json", b'{"data": [\n{"a": 1, "b": 2},\n{"a": 3, "b": 4},\n{"a": 5', ["! 1 broken", "2 1 2", "3 3 4", "! 4 broken"]),
        ("a.json", b'{"data": [\n {\n  "a": 1,\n  "b": 2\n },\n {\n  "a": 3,\n  "b": 4', ["1 1 2", "! 2 broken", "! 3 the file ends"]),
        ("a.jsonl", b'0\x00\n\x00', ["! 1 broken", "! 2 broken"]),
        # a list by the name of lines
        ("a.jsonl", b'[\n{"a": 1, "b": 2},\n{"a": 3, "b": 4}\n]\n', ["1 1 2", "2 3 4"]),
        # several rows on a line, and a line that ends as on an old Mac
        ("a.jsonl", b'{"a": 1, "b": 2}{"a": 3, "b": 4}\n{"a": 5, "b": 6}\n', ["1 1 2", "1 3 4", "2 5 6"]),
        ("a.jsonl", b'{"a": 1, "b": 2}\r{"a": 3, "b": 4}\r', ["1 1 2", "1 3 4"]),
        # no header
        ("a.csv", b"Which?,x,y,B\nWho?,u,v,A\n", ["1 Which? x y B", "2 Who? u v A"]),
        # a header that ends in the letters of the options: no key
        ("a.csv", b"id,question,A,B,C,D\n7,Which?,x,y,z,w\n", ["2 7 Which? x y z w"]),
    ],
)  # fmt: skip
def test_what_a_broken_row_swallows_is_told_and_what_follows_is_read(tmp_path, name, content, told):
    found = taken(tmp_path, name, content)
    seen = [
        f"! {item.line} {item.reason}"
        if isinstance(item, Rejected)
        else " ".join([str(item.line), *map(str, item.value.values()), *(["whole"] if item.whole else [])])
        for item in found
    ]

    assert len(told) == len(seen), seen
    for right, one in zip(told, seen, strict=True):
        kind, line, words = right.split(" ", 2)[0], right.split(" ", 2)[1], right.split(" ", 2)[-1]
        assert one == right if kind != "!" else one.startswith(f"! {line} ") and words in one


def test_a_zip_that_unpacks_to_far_more_than_it_is_stays_packed(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.sources.rows._UNPACKED", 1000)
    found = taken(tmp_path, "a.zip", zipped([{"a": "x" * 10_000_000}]))

    assert [(1, "file")] == [(item.line, item.field) for item in found if isinstance(item, Rejected)]
    assert len(found) == 1


def test_a_zip_s_rejects_name_its_member(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("b.jsonl", b"{broken\n")
    (member,) = taken(tmp_path, "a.zip", out.getvalue())

    assert isinstance(member, Rejected) and member.file == "a.zip/b.jsonl"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("One is here.\nTwo is there.\nThree is gone.\n", ["One is here.", "Two is there.", "Three is gone."]),
        ("第一篇。\n第二篇！\n", ["第一篇。", "第二篇！"]),
        ("A paragraph that was\nwrapped by hand.\n", ["A paragraph that was\nwrapped by hand."]),
        ("One.\nTwo.\n\nThree.\n", ["One.\nTwo.", "Three."]),
    ],
)
def test_lines_that_end_as_sentences_do_are_documents(tmp_path, content, expected):
    found = taken(tmp_path, "a.txt", content.encode())

    assert expected == [item.value["text"] for item in found if isinstance(item, Row)]


def test_classes_of_a_hub_s_table_have_their_names(tmp_path):
    features = {"answer": {"names": ["A", "B"], "_type": "ClassLabel"}, "q": {"dtype": "string", "_type": "Value"}}
    made = pa.Table.from_pylist([{"q": "x", "answer": 1}, {"q": "y", "answer": -1}]).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    out = pa.BufferOutputStream()
    pq.write_table(made, out)

    assert [{"q": "x", "answer": "B"}, {"q": "y"}] == [
        item.value for item in taken(tmp_path, "a.parquet", bytes(out.getvalue())) if isinstance(item, Row)
    ]


def test_a_null_cell_of_a_column_is_no_cell(tmp_path):
    found = taken(tmp_path, "a.parquet", parquet([{"a": "x", "b": None}, {"a": None, "b": "y"}]))

    assert [item.value for item in found if isinstance(item, Row)] == [{"a": "x"}, {"b": "y"}]


def text_column(content: bytes, *offsets: int) -> pa.Array:
    ends = pa.array(offsets, pa.int32()).buffers()[1]
    return pa.StringArray.from_buffers(len(offsets) - 1, ends, pa.py_buffer(content))


@pytest.mark.parametrize(
    "column",
    [
        text_column(b"x\xffy", 0, 1, 2, 3),
        text_column(b"xxyyy", 0, 2, -9, 5),  # an offset that leads out of the buffer: never to be followed
        pa.array([0, 2**61, 0], pa.timestamp("s")),
    ],
    ids=["text", "offset", "date"],
)
def test_a_damaged_cell_costs_its_row(tmp_path, column):
    out = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays([column], ["a"])
    with pa.ipc.new_stream(out, batch.schema) as writer:
        writer.write_batch(batch)
    found = taken(tmp_path, "a.arrow", bytes(out.getvalue()))

    assert (type(found[0]), type(found[1])) == (Row, Rejected)
    assert [item.line for item in found] == [1, 2, 3]


@pytest.mark.parametrize("name", ["a.parquet", "stream.arrow", "file.arrow"])
def test_a_column_whose_name_is_no_text_is_a_torn_file(tmp_path, name):
    content = CONTAINERS[name]([{"é": "x"}]).replace("é".encode(), b"\xfb\xfb")
    (found,) = taken(tmp_path, name, content)

    assert isinstance(found, Rejected) and "utf-8" in found.reason.lower()


def test_a_file_that_is_gone_or_forbidden_is_a_reject(tmp_path):
    (found,) = rows("a.jsonl", tmp_path / "a.jsonl")

    assert isinstance(found, Rejected)
    assert (found.line, found.field) == (1, "file")


DOUBLED = b'{"a": "1", "b": {"c": "2", "c": "3"}}'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", DOUBLED + b'\n{"a": "1", "a": "1", "b": "\\"c\\": 1"}\n'),
        ("a.json", b"[" + DOUBLED + b', {"a": "1", "a": "1", "b": "\\"c\\": 1"}]'),
        ("a.json", DOUBLED.replace(b": ", b" : ").replace(b", ", b",\n") + b'\n{"a": "1",\n"b": "\\"c\\": 1"}'),
    ],
)
def test_a_key_that_stands_twice_with_two_values_costs_its_row(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    doubled, sound = rows(name, tmp_path / name)

    assert doubled == Rejected(name, 1, "line", "the key 'c' stands twice in one object, with values that differ")
    assert isinstance(sound, Row)
    assert sound.value == {"a": "1", "b": '"c": 1'}
