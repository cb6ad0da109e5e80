"""The words of people on keys: how they are kept, which counts, and what is no word."""

from pathlib import Path

import pytest

from storage.corrections import Corrections, history, of_recipe, say
from storage.records import Question, UsageError

ASKED = Question("A lamp is on.", "Which?", ("red", "green", "blue"), "A", file="a.csv", line=4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "corrections.jsonl"


def kept(file: Path) -> Corrections:
    found = of_recipe(file, "logic")
    assert found
    return found


def test_the_last_word_counts_and_every_word_stays(file: Path) -> None:
    say(file, ASKED.id, "b", " the text says green ", "logic")
    say(file, ASKED.id, "Ambiguous", "", "logic")
    say(file, "00", "fine", "", "logic")

    assert {ASKED.id: "ambiguous"} == kept(file).overlay
    assert {"00"} == kept(file).settled
    assert [("B", "the text says green"), ("ambiguous", ""), ("fine", "")] == [(w.says, w.why) for w in history(file)]
    assert all(word.who and word.at.endswith("+00:00") and word.recipe == "logic" for word in history(file))


def test_an_undone_word_leaves_the_very_identity_of_before(file: Path) -> None:
    say(file, "00", "A", "", "logic")
    before = kept(file).digest
    say(file, ASKED.id, "B", "", "logic")
    assert before != kept(file).digest
    say(file, ASKED.id, "undone", "", "logic")

    assert before == kept(file).digest


def test_why_and_who_and_fine_words_change_no_identity(file: Path) -> None:
    say(file, ASKED.id, "B", "one reason", "logic")
    before = kept(file).digest
    say(file, ASKED.id, "B", "another", "logic")
    say(file, "00", "fine", "", "logic")

    assert before == kept(file).digest


def test_no_word_is_no_corrections(file: Path) -> None:
    assert of_recipe(file, "logic") is None
    assert of_recipe(None, "logic") is None
    say(file, ASKED.id, "B", "", "logic")
    say(file, ASKED.id, "undone", "", "logic")
    assert of_recipe(file, "logic") is None


def test_a_line_left_open_by_hand_is_closed_and_not_written_into(file: Path) -> None:
    file.write_text('{"question": "00", "says": "c"}')
    say(file, ASKED.id, "B", "", "logic")

    assert {"00": "C", ASKED.id: "B"} == kept(file).overlay


@pytest.mark.parametrize(
    "line, said",
    [
        ("{torn", "is no JSON"),
        ("[1]", "is no correction"),
        ('{"question": 7, "says": "B"}', "is no correction"),
        ('{"question": "00"}', "is no correction"),
        ('{"question": "00", "says": "wrong"}', "says nothing of a key"),
        ('{"question": "00", "says": "B", "answer": "C"}', "answer"),
    ],
)
def test_a_line_that_says_nothing_is_named(line: str, said: str, file: Path) -> None:
    file.write_text(f'{{"question": "00", "says": "B"}}\n\n{line}\n')

    with pytest.raises(UsageError, match=said) as raised:
        history(file)
    assert f"{file}:3" in str(raised.value)


def test_an_option_that_is_not_there_and_an_unknown_question_are_named_with_their_lines(file: Path) -> None:
    say(file, "00", "B", "", "logic")
    say(file, ASKED.id, "D", "", "logic")

    with pytest.raises(UsageError, match=r"corrections.jsonl:2 names an option(.|\n)*a.csv:4(.|\n)*A, B, C"):
        kept(file).applied(ASKED)
    with pytest.raises(UsageError, match=r"corrects 1 question that(.|\n)*00 \(line 1\)(.|\n)*--undo 00"):
        kept(file).require({ASKED.id})


def test_words_of_another_recipe_count_where_their_question_is_known_and_are_not_missed_elsewhere(file: Path) -> None:
    say(file, ASKED.id, "B", "", "other")

    assert "B" == kept(file).applied(ASKED)
    kept(file).require(set())
    say(file, "00", "B", "", "logic")
    kept(file).anywhere().require(set())


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        (tmp_path / "file").touch()
        say(tmp_path / "file" / "corrections.jsonl", ASKED.id, "B", "", "logic")
