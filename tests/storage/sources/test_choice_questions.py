"""Multiple choice in every schema that is declared: options and key as the set means them, letter by letter."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.records import LETTERS, Question, Rejected, UsageError
from storage.sources import readers, source
from storage.sources.formats import declared
from storage.sources.formats.base import Cells, Convention
from storage.sources.formats.choice_sets import SETS
from tests.choices import ASKED, BY_LETTER, CASES, LABELS, LISTED, Q, sets_of_the_page


def read(folder: Path, *rows: Any, first: int | None = None, keyed: bool = True) -> list[Any]:
    file = folder / "a.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return list(readers.read(source.files([file]), first=first, keyed=keyed))


def told(item: Any) -> Any:
    if isinstance(item, Rejected):
        return (item.field, item.reason)
    assert isinstance(item, Question), item
    return (item.problem, item.question, item.options, item.answer)


@pytest.mark.parametrize(("format", "row", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_row_is_the_question_that_its_set_means(tmp_path, format, row, expected):
    (found,) = read(tmp_path, row)

    assert expected == told(found)
    assert [format] == [one.name for one in readers.formats_of(source.files([tmp_path / "a.jsonl"]))]


FOUR = {**Q, "options": LISTED}


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({**FOUR, "answer": ["A", "C"]}, "answer", "several answers (A, C), expected one"),
        ({**FOUR, "answer": "AC"}, "answer", "several answers (A, C), expected one"),
        ({**FOUR, "answer": "a, c"}, "answer", "several answers (A, C), expected one"),
        ({**FOUR, "answer": "A和C"}, "answer", "several answers (A, C), expected one"),
        ({**Q, "mc1_targets": {"ice": 1, "iron": 1}}, "options", "several answers (2 options are right), expected one"),
        ({**FOUR, "answer": "E"}, "answer", "answer 'E' is none of the letters ABCD"),
        ({**FOUR, "answer": "tin"}, "answer", "answer 'tin' is none of the letters ABCD and no option's text"),
        ({**FOUR, "answer": {"a": 1}}, "answer", "expected a letter, a number or an option's text, found an object"),
        ({**FOUR, "answer": "iron", "answer_idx": "A"}, "answer_idx", "the keys disagree: answer_idx says A, answer says B"),
        ({**FOUR, "answer": "B. ice"}, "answer", "answer 'B. ice' is none of the letters ABCD and no option's text"),
        ({**Q, "options": ["ice", "ice", "iron"], "answer": "ice"}, "answer", "answer 'ice' is the text of 2 options"),
        ({**Q, "options": ["C", "A", "B"], "answer": "A"}, "answer", "answer 'A' is an option's letter and another option's text"),
        ({**Q, "options": ["(B) x", "(C) y", "(A) z"], "answer": "A"}, "answer",
         "answer A may be a place or a label: the options' own letters are out of order"),
        ({**Q, "options": LISTED, "answer": "2, 3"}, "answer", "several answers (2, 3), expected one"),
        ({**Q, "options": LISTED, "correct_options": [0, 2]}, "correct_options", "several answers (0, 2), expected one"),
        ({"instruction": "Which melts?", "candidates": LISTED, "answer": "iron"}, "candidates",
         "options beside an answer that names one: map question, options and answer"),
        ({**Q, "options": ["one"], "answer": "A"}, "options", "1 options, expected at least two"),
        ({**Q, "options": ["one", None], "answer": "A"}, "options[1]", "expected text, found null"),
        ({**Q, "choices": "ice or iron", "answer": "A"}, "choices", "no list of options, and none that begin with A, B, …: 'ice or iron'"),
        ({**Q, "choices": {"text": LISTED, "label": ["A"]}, "answer": "A"}, "choices", "1 labels for 4 options"),
        ({**Q, "choices": {"text": ["x", "y"], "label": ["A", "a"]}, "answer": "A"}, "choices", "two options have the label 'A'"),
        ({**FOUR, "question": " ", "answer": "A"}, "question", "empty question"),
        ({**Q, "choices": LISTED, "answer": 0, "error_type": "bad_question_clarity", "correct_answer": None}, "error_type",
         "'bad_question_clarity': its set says that the question is faulty"),
    ],
)  # fmt: skip
def test_what_is_no_question_is_rejected_for_its_reason(tmp_path, row, field, reason):
    assert [(field, reason)] == [told(item) for item in read(tmp_path, row)]


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        (["The dog", "A man"], "A", ("The dog", "A man")),
        (["The cat", "A dog", "Nobody", "Birds"], "A", ("The cat", "A dog", "Nobody", "Birds")),
        (["He", "I go", "She", "It", "They", "We", "You", "One", "None"], "B",
         ("He", "I go", "She", "It", "They", "We", "You", "One", "None")),
        (["A、B", "B、C", "C、D"], "B", ("A、B", "B、C", "C、D")),
        (["A: a knight, B: a knave", "B: a knight, A: a knave"], "B", ("A: a knight, B: a knave", "B: a knight, A: a knave")),
        (["1.5", "2.5"], "B", ("1.5", "2.5")),
        (["B. subtilis", "E. coli", "S. aureus"], "B", ("B. subtilis", "E. coli", "S. aureus")),
        (["A one", "B two"], "B", ("one", "two")),
        (["A. one", "B. two"], "B", ("one", "two")),
        (["A．one", "Ｂ．two"], "B", ("one", "two")),
        (["1) one", "2) two"], "2", ("one", "two")),
    ],
)  # fmt: skip
def test_a_label_has_a_mark_or_all_options_have_theirs_in_order(tmp_path, options, key, expected):
    (found,) = read(tmp_path, {**Q, "options": options, "answer": key})

    assert ("", "Which melts?", expected, "A" if key == "A" else "B") == told(found)


@pytest.mark.parametrize("form", ["competition", "ar-lsat", "logiqa2"])
def test_every_reader_takes_labels_off_that_all_options_carry(tmp_path, form):
    item = {**Q, "options": ["(A) ice", "(B) iron"], "answer": "B"}
    row = {
        "competition": {"problem": "p", "questions": [item]},
        "ar-lsat": {"passage": "p", "questions": [item]},
        "logiqa2": {"text": "p", **item, "answer": 1},
    }[form]

    assert [("p", "Which melts?", ("ice", "iron"), "B")] == [told(found) for found in read(tmp_path, row)]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([0, 1, 3], "ABD"),
        ([1, 2, 4], "ABD"),
        (["0", "1", "3"], "ABD"),
        ([1.0, 2.0, 4.0], "ABD"),
        ([-1, 0, 1], [None, "A", "B"]),
    ],
)
def test_a_file_s_own_keys_say_what_they_count_from(tmp_path, answers, expected):
    found = read(tmp_path, *({**FOUR, "question": str(n), "answer": answer} for n, answer in enumerate(answers)))

    assert list(expected) == [item.answer for item in found]


@pytest.mark.parametrize("answers", [[1, 2], [0, 1, 4], ["1", "2"]])
def test_numbers_without_a_sign_are_asked_for(tmp_path, answers):
    rows = [{**FOUR, "answer": answer} for answer in answers]

    with pytest.raises(UsageError, match=r"may count from 0 or from 1(?s:.*)parse\.first=0 or 1"):
        read(tmp_path, *rows)
    for first, letters in ((0, "BC"), (1, "AB")):
        found = read(tmp_path, *({**FOUR, "answer": answer} for answer in (1, 2)), first=first)
        assert list(letters) == [item.answer for item in found]


def test_a_file_is_read_up_to_the_first_sign_of_what_its_keys_count_from(tmp_path, monkeypatch):
    (chosen,) = (one for one in SETS if one.name == "choice")
    formats, looked_at = readers.FORMATS["choice"], list[object]()

    def observed(row: Cells) -> Convention:
        looked_at.append(row)
        return chosen.observed(row)

    file = tmp_path / "a.jsonl"
    file.write_bytes(
        b"".join(orjson.dumps({**FOUR, "question": str(n), "answer": n % 4}) + b"\n" for n in range(3, 40))
    )
    found = list(readers.read(source.files([file]), [replace(formats, observed=observed)]))

    assert ["D", "A", "B"] == [item.answer for item in found[:3]]
    assert 2 == len(looked_at)


def test_keys_that_say_both_are_asked_for_when_the_second_sign_comes(tmp_path):
    rows = [{**FOUR, "answer": answer} for answer in ("A", "B", 0, 2, "C", 4)]

    with pytest.raises(UsageError, match=r"may count from 0 or from 1(?s:.*)line 6"):
        read(tmp_path, *rows)


def test_a_set_s_own_count_is_not_held_against_the_file(tmp_path):
    row = {"text": "A stove.", **FOUR}

    with pytest.raises(UsageError, match="seem to count from 1, those of logiqa2 from 0"):
        read(tmp_path, {**row, "answer": 1}, {**row, "answer": 4})


def test_other_keys_of_a_file_say_whether_a_letter_is_a_text(tmp_path):
    doubtful = {**Q, "options": ["C", "A", "B"], "answer": "A"}

    assert "A" == read(tmp_path, doubtful, {**FOUR, "answer": "B"})[0].answer
    assert "B" == read(tmp_path, doubtful, {**FOUR, "answer": "iron"})[0].answer


def test_a_number_that_is_an_option_s_text_is_no_place(tmp_path):
    (found,) = read(tmp_path, {**Q, "options": ["12", "15", "18"], "answer": "15"})

    assert "B" == found.answer


def test_a_lone_number_among_letters_is_one_reject(tmp_path):
    found = read(tmp_path, {**FOUR, "answer": "A"}, {**FOUR, "answer": "B"}, {**FOUR, "answer": 2})

    assert ["A", "B"] == [item.answer for item in found[:2]]
    assert ("answer", "answer 2 is a number, and nothing says whether the first option is 0 or 1") == told(found[2])


def test_without_keys_a_question_stays_whatever_its_key(tmp_path):
    rows = [{**FOUR, "answer": answer} for answer in ("AC", "tin", 2)]

    assert [(*ASKED[:3], None)] * 3 == [told(item) for item in read(tmp_path, *rows, keyed=False)]


def test_right_answers_that_stand_apart_get_no_place_of_their_own(tmp_path):
    rows = [{"question": f"{n}?", "correct_answer": "x", "distractor1": "y", "distractor2": "z"} for n in range(60)]
    found = read(tmp_path, *rows)

    assert ["x"] * 60 == [item.options["ABC".index(item.answer)] for item in found]
    assert all(10 < [item.answer for item in found].count(letter) < 30 for letter in "ABC")
    assert found == read(tmp_path, *rows)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"documents": ["A stove.", "Hot."], "document_id": "1",
          "questions": {"question": ["Which?", "Who?"], "choice": [["ice", "iron"], ["Ann", "Bob"]],
                        "answer": ["iron", "Ann"]}},
         [("A stove.\nHot.", "Which?", ("ice", "iron"), "B"), ("A stove.\nHot.", "Who?", ("Ann", "Bob"), "A")]),
        ({"identifier": "x", "story": ["A is left.", "It is big."], "questions": [
            {"q_id": 1, "q_type": "FR", "question": "Where?", "candidate_answers": ["left", "right"], "answer": [1]},
            {"q_id": 2, "q_type": "FR", "question": "Where?", "candidate_answers": ["left", "right"], "answer": [0, 1]},
            {"q_id": 3, "q_type": "FB", "question": "Which?", "candidate_answers": ["A", "B", "C"], "answer": ["B"]},
            {"q_id": 4, "q_type": "YN", "question": "Is it?", "candidate_answers": [], "answer": ["No"]}]},
         [("A is left.\nIt is big.", "Where?", ("left", "right"), "B"),
          ("questions[1].answer", "several answers (0, 1), expected one"),
          ("A is left.\nIt is big.", "Which?", ("A", "B", "C"), "B"),
          ("A is left.\nIt is big.", "Is it?", ("Yes", "No", "DK"), "B")]),
    ],
    ids=["C3, hub", "SpartQA, original"],
)  # fmt: skip
def test_questions_below_a_passage_in_lists_and_objects(tmp_path, row, expected):
    assert expected == [told(item) for item in read(tmp_path, row, row)][: len(expected)]


def test_questions_without_a_passage_are_kept_together_by_their_own_text(tmp_path):
    first, again, other = read(
        tmp_path, {**FOUR, "answer": "A"}, {**Q, **BY_LETTER, "E": "x", "answer": "A"}, {**FOUR, "question": "Who?"}
    )

    assert first.group == again.group != other.group


def test_the_page_of_formats_has_every_format_and_every_declared_set():
    page = (Path(__file__).resolve().parents[3] / "docs" / "formats.md").read_text("utf-8")

    for table in (declared.page(), sets_of_the_page()):
        assert "\n".join(table) in page, "write it anew: python -m tests.forms"
    assert set(readers.FORMATS) == {*declared.DECLARED, *(chosen.name for chosen in SETS)}


@pytest.mark.parametrize(
    ("name", "row", "features", "key"),
    [
        ("cais/mmlu", {**Q, "subject": "physics", "choices": LISTED, "answer": 1}, {"answer": LABELS}, "B"),
        ("allenai/ai2_arc", {"id": "x", **Q, "choices": {"text": LISTED, "label": LABELS}, "answerKey": "B"}, {}, "B"),
        ("openlifescienceai/medmcqa", {**Q, "opa": "ice", "opb": "iron", "opc": "sand", "opd": "salt", "cop": 1},
         {"cop": ["a", "b", "c", "d"]}, "B"),
        ("ybisk/piqa", {"goal": Q["question"], "sol1": "ice", "sol2": "iron", "label": 1}, {"label": ["0", "1"]}, "B"),
    ],
)  # fmt: skip
def test_a_hub_s_table_is_read_by_the_same_declarations(tmp_path, name, row, features, key):
    classes = {column: {"names": names, "_type": "ClassLabel"} for column, names in features.items()}
    made = pa.Table.from_pylist([row]).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": classes}})}
    )
    pq.write_table(made, tmp_path / "test-00000-of-00001.parquet")
    (found,) = readers.read(source.files([tmp_path]))

    assert (Q["question"], key) == told(found)[1::2]
    assert "iron" == found.options["ABCD".index(key)]


DRESSES = [
    lambda letter, text, n: letter,
    lambda letter, text, n: letter.lower(),
    lambda letter, text, n: f" ({letter}) ",
    lambda letter, text, n: f"{letter}.",
    lambda letter, text, n: f"Answer: {letter}",
    lambda letter, text, n: chr(ord(letter) + 0xFEE0),
    lambda letter, text, n: [letter],
    lambda letter, text, n: text,
    lambda letter, text, n: f"{letter}. {text}",
]
SHAPES = [
    lambda texts: {"options": texts},
    lambda texts: {"choices": {"text": texts, "label": list(LETTERS[: len(texts)])}},
    lambda texts: {"options": dict(zip(LETTERS, texts, strict=False))},
    lambda texts: {"options": [{"label": LETTERS[n], "text": text} for n, text in enumerate(texts)]},
    lambda texts: {"options": [f"({LETTERS[n]}) {text}" for n, text in enumerate(texts)]},
    lambda texts: {"options": "\n".join(f"{LETTERS[n]}. {text}" for n, text in enumerate(texts))},
    lambda texts: dict(zip(LETTERS, texts, strict=False)),
    lambda texts: {f"option_{LETTERS[n].lower()}": text for n, text in enumerate(texts)},
]


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("abcxyz 中文", min_size=2, max_size=9).map(str.strip).filter(lambda t: len(t) > 1),
                   min_size=2, max_size=7, unique=True),
    shape=st.sampled_from(SHAPES), dress=st.sampled_from(DRESSES), data=st.data(),
)  # fmt: skip
def test_whatever_the_shape_and_the_dress_the_key_is_the_same_option(tmp_path, texts, shape, dress, data):
    place = data.draw(st.integers(0, len(texts) - 1))
    row = {**Q, **shape(texts), "answer": dress(LETTERS[place], texts[place], place)}
    (found,) = read(tmp_path, row)

    assert ("", "Which melts?", tuple(texts), LETTERS[place]) == told(found)
