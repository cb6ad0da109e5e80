"""The competition reader: what is read, what is rejected and why, and that nothing makes it fall over."""

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.dialogues import Record
from storage.records import Question, Rejected, UsageError
from storage.sources import readers, source
from storage.sources.formats import competition
from storage.sources.rows import lines
from storage.sources.source_warnings import Oddities

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "competition_logic"
TRAIN, TEST = SHARED / "round1_train_data_dev400.jsonl", SHARED / "round1_test_data.jsonl"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the competition's data is not beside this checkout")

ITEM = {"question": "选择题 1：\nWho lies?", "options": ["A", "he", "she"], "answer": "C"}
PROBLEM = {"id": "p_1", "problem": "One of them lies.", "questions": [ITEM]}


def line(**changes: object) -> bytes:
    return orjson.dumps({**PROBLEM, **changes})


def item(**changes: object) -> bytes:
    changed = {name: value for name, value in {**ITEM, **changes}.items() if value is not ...}
    return line(questions=[ITEM, changed])


def taken(*paths: Path) -> list[Record | Rejected]:
    files = source.files(paths)
    return list(readers.read(files, [competition.FORMAT] * len(files)))


def read(tmp_path: Path, content: bytes) -> tuple[list[Question], list[Rejected]]:
    file = tmp_path / "data.jsonl"
    file.write_bytes(content)
    found = taken(file)
    return [f for f in found if isinstance(f, Question)], [f for f in found if isinstance(f, Rejected)]


def test_a_line_becomes_its_questions(tmp_path):
    questions, rejects = read(tmp_path, line())

    assert rejects == []
    assert questions == [
        Question(
            problem="One of them lies.",
            question="选择题 1：\nWho lies?",
            options=("A", "he", "she"),
            answer="C",
            source_id="p_1",
            file="data.jsonl",
            line=1,
        )
    ]


@pytest.mark.parametrize("answer", [None, "", ...])
def test_a_question_may_have_no_key(tmp_path, answer):
    questions, rejects = read(tmp_path, item(answer=answer))

    assert rejects == []
    assert [q.answer for q in questions] == ["C", None]


@pytest.mark.parametrize(
    ("content", "field", "reason"),
    [
        (item(answer="D"), "questions[1].answer", "answer 'D' is none of the letters ABC"),
        (item(answer="AB"), "questions[1].answer", "several answers (A, B)"),
        (item(answer=2), "questions[1].answer", "a number, and nothing says"),
        (item(options=["yes"]), "questions[1].options", "1 options, expected at least two"),
        (item(options=["x"] * 27), "questions[1].options", "27 options, expected at most 26"),
        (item(options="yes"), "questions[1].options", "no list of options"),
        (item(options=["yes", 1]), "questions[1].options[1]", "found a number"),
        (
            item(options=["yes", "n\ufffd"]),
            "questions[1].options[1]",
            "U+FFFD, the mark of lost characters, at character 2",
        ),
        (item(options=...), "questions[1].options", "missing field"),
        (item(question=...), "questions[1].question", "missing field"),
        (item(question=" \n"), "questions[1].question", "empty question"),
        (item(question="选择题 2：\n"), "questions[1].question", "empty question"),
        (item(question="选择题 2:"), "questions[1].question", "empty question"),
        (item(question="Wh\0?"), "questions[1].question", "a NUL at character 3"),
        (line(questions=[ITEM, "text"]), "questions[1]", "not an object but text"),
    ],
)
def test_a_bad_question_is_rejected_and_its_sibling_stays(tmp_path, content, field, reason):
    questions, rejects = read(tmp_path, b"\n" + content + b"\n")

    assert len(questions) == 1
    assert [(r.file, r.line, r.field) for r in rejects] == [("data.jsonl", 2, field)]
    assert reason in rejects[0].reason


@pytest.mark.parametrize(
    ("content", "field", "reason"),
    [
        (b'{"id": "p_1", "prob', "line", "broken JSON"),
        (b"[1, 2]", "line", "not an object but a list"),
        (b"null", "line", "not an object but null"),
        (b'{"problem": "\xff"}', "line", "not UTF-8 at byte 14"),
        (b'{"problem": "\\ud800"}', "line", "broken JSON"),
        (orjson.dumps({"problem": "x"}), "questions", "missing field"),
        (orjson.dumps({"questions": [ITEM]}), "problem", "missing field"),
        (line(problem=7), "problem", "found a number"),
        (line(problem=" "), "problem", "empty problem"),
        (line(problem="x\0"), "problem", "a NUL at character 2"),
        (line(questions=[]), "questions", "no questions"),
        (line(questions={"question": "x"}), "questions", "found an object"),
        (line(id="\ufffd"), "id", "U+FFFD"),
        (line(id=[1]), "id", "found a list"),
    ],
)
def test_a_broken_problem_rejects_its_line(tmp_path, content, field, reason):
    questions, rejects = read(tmp_path, content)

    assert questions == []
    assert [(r.line, r.field) for r in rejects] == [(1, field)]
    assert reason in rejects[0].reason


def test_a_broken_problem_accounts_for_each_of_its_questions(tmp_path):
    _, rejects = read(tmp_path, line(problem="\ufffd", questions=[ITEM] * 3))

    assert [r.reason[-17:] for r in rejects] == [f"(question {n} of 3)" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + line() + b"\n" + line(),
        line() + b"\r\n\r\n" + line() + b"\r\n",
        b"\n  \n" + line() + b"\n\n\t\n" + line(),
    ],
    ids=["mark, no last newline", "windows", "blank lines"],
)
def test_the_ways_of_ending_lines_make_no_difference(tmp_path, content):
    questions, rejects = read(tmp_path, content)

    assert rejects == []
    assert [q.problem for q in questions] == ["One of them lies."] * 2


def test_ids_may_be_numbers_or_absent_and_further_fields_are_passed_over(tmp_path):
    content = line(id=7, note="x") + b"\n" + orjson.dumps({"problem": "x", "questions": [ITEM]})

    assert [q.source_id for q in read(tmp_path, content)[0]] == ["7", ""]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.sampled_from(["A", "B", "\0", "\ufffd"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*PROBLEM, *ITEM]), inner, max_size=4)
        | st.fixed_dictionaries({"problem": inner, "questions": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"question": inner, "options": st.lists(inner, max_size=3)}, optional={"answer": inner})
    ),
    max_leaves=12,
).map(lambda value: orjson.dumps(value, default=str))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary() | JSON | st.just(line()), max_size=5))
def test_no_bytes_make_the_reader_fall_over_and_every_line_is_accounted_for(tmp_path, chunks):
    content = b"\n".join(chunks)
    questions, rejects = read(tmp_path, content)
    oddities = Oddities(competition.number)
    for found in taken(tmp_path / "data.jsonl"):
        oddities.see(found)
    oddities.warnings()

    written = [number for number, _ in lines(tmp_path / "data.jsonl")]

    assert sorted({f.line for f in [*questions, *rejects]}) == written


def test_sniffing_looks_past_broken_lines(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"{broken\n" + line())
    other = tmp_path / "y"
    other.write_bytes(b'{"instruction": "x", "output": "y"}\n')

    known = readers.formats_of([("x", file), ("y", other)])

    assert [format.name for format in known] == ["competition", "alpaca"]


def test_a_folder_is_its_jsonl_files_and_a_list_is_all_of_them_once(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "notes.txt"):
        (tmp_path / name).write_bytes(line())
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.jsonl").write_bytes(line())

    folder = [q.file for q in taken(tmp_path)]
    both = [q.file for q in taken(tmp_path / "more", tmp_path / "a.jsonl", tmp_path / "more" / "a.jsonl")]

    assert folder == ["a.jsonl", "b.jsonl"]
    assert both == ["more/a.jsonl", "a.jsonl"]


@pytest.mark.parametrize("path", ["missing.jsonl", "."])
def test_a_path_with_nothing_to_read_is_named(tmp_path, path):
    with pytest.raises(UsageError, match=str(tmp_path)):
        taken(tmp_path / path)


def test_a_fingerprint_is_of_names_and_bytes_not_of_places(tmp_path):
    def write(folder: str, name: str, content: bytes) -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(content)
        return tmp_path / folder

    def digest(folder: Path) -> str:
        return source.fingerprint(source.hashed(source.files([folder])))

    one = digest(write("one", "a.jsonl", line()))

    assert one == digest(write("two", "a.jsonl", line()))
    assert one != digest(write("three", "a.jsonl", line() + b"\n"))
    assert one != digest(write("four", "b.jsonl", line()))


@needs_shared
def test_the_competition_s_training_problems_are_read_whole():
    found = taken(TRAIN)
    keys = [f.answer for f in found if isinstance(f, Question)]

    assert len(found) == len(keys) == 1163
    assert {letter: keys.count(letter) for letter in "ABCDE"} == {"A": 398, "B": 501, "C": 169, "D": 91, "E": 4}


@needs_shared
def test_the_competition_s_test_problems_are_read_but_for_three_lines():
    found = taken(TEST)
    rejects = [f for f in found if isinstance(f, Rejected)]

    assert len(found) == 1328
    assert [(r.line, r.field, r.reason[:12]) for r in rejects] == [
        (3, "questions[0].question", "empty questi"),
        (419, "questions[0].question", "empty questi"),
        *[(452, "problem", "holds U+FFFD")] * 3,
    ]
    assert all(f.answer is None for f in found if isinstance(f, Question))
