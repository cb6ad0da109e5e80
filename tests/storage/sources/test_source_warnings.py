"""Warnings: each oddity is counted and shown, and an ordinary source has none."""

from typing import Any

from storage.dialogues import Dialogue, Record
from storage.records import Message, Question, Rejected
from storage.sources.formats import competition
from storage.sources.source_warnings import Oddities
from tests.storage.sources.test_competition import TRAIN, needs_shared, taken


def question(line: int = 1, text: str = "选择题 1：\nWho?", **changes: Any) -> Question:
    values = {"problem": f"Problem {line}.", "options": ("he", "she"), "answer": "A", "source_id": f"p_{line}"}
    return Question(question=text, file="data.jsonl", line=line, **{**values, **changes})


def warnings(*items: Record | Rejected) -> dict[str, dict[str, Any]]:
    oddities = Oddities(competition.number)
    for item in items:
        oddities.see(item)
    return {warning["kind"]: warning for warning in oddities.warnings()}


def test_an_ordinary_source_has_none():
    assert warnings(*(question(line, answer="AB"[line % 2]) for line in range(100))) == {}


def test_identical_options_tell_whether_the_key_is_one_of_them():
    found = warnings(
        question(1, options=("x", "y", "x "), answer="C"),
        question(2, options=("x", "y", "x"), answer="B"),
        question(3, options=("x", "y", "x"), answer=None),
    )["identical-options"]

    assert found["count"] == 3
    assert found["examples"] == ["p_1: A = C, key C", "p_2: A = C, key B, not one of them", "p_3: A = C, no key"]
    assert "3 questions have the same text at two letters: p_1: A = C, key C" in found["message"]


def test_a_repeated_question_is_told_and_a_second_key_as_well():
    found = warnings(question(), question(), question(answer="B"))

    assert found["repeated-question"]["count"] == 2
    assert found["contradicting-keys"]["examples"] == ["p_1: A, then B"]


def test_a_problem_on_several_lines_names_them():
    found = warnings(*(question(line, text=f"选择题 1：{line}?", problem="Answer these:") for line in (1, 2, 5)))

    assert found["shared-problem"]["count"] == 1
    assert found["shared-problem"]["examples"] == ["p_1, p_2, p_5"]


def test_a_skew_of_the_keys_is_told_against_chance():
    skewed = [
        question(line, options=("w", "x", "y", "z"), answer="B" if line % 2 else "ACD"[line % 3]) for line in range(200)
    ]

    found = warnings(*skewed)["answer-skew"]

    assert found["count"] == 100
    assert found["examples"][0] == 'always "B" would be right 50.0%, chance 25.0%'


def test_numbers_that_are_no_index_are_told_unless_a_reject_explains_them():
    second = question(1, text="选择题 2：Who?")
    lost = Rejected("data.jsonl", 2, "questions[0].question", "empty question")

    found = warnings(second, lost, question(2, text="选择题 2：Who?"), question(3))

    assert found["numbering"]["examples"] == ["p_1: 2"]


def test_the_same_words_asked_twice_of_one_problem_are_told():
    found = warnings(question(), question(text="选择题 2：\nWho?", options=("they", "we")))

    assert found["repeated-text"]["examples"] == ["p_1"]


def test_letters_as_options_empty_options_and_missing_keys_are_told():
    found = warnings(question(options=("B", ""), answer=None))

    assert {kind: warning["count"] for kind, warning in found.items()} == {
        "letter-options": 1,
        "empty-options": 1,
        "no-key": 1,
    }


@needs_shared
def test_the_competition_s_oddities_are_those_that_are_known():
    found = warnings(*taken(TRAIN))

    assert found["identical-options"]["examples"] == [
        "round1_train_data_000: B = D, key D",
        "round1_train_data_030: B = D, key D",
        "round1_train_data_368: B = D, key B",
        "round1_train_data_411: C = D, key D",
    ]
    assert found["shared-problem"]["examples"] == [
        "round1_train_data_085, round1_train_data_295, round1_train_data_436"
    ]
    assert 'always "B" would be right 43.1%' in found["answer-skew"]["message"]
    assert (found["numbering"]["count"], found["repeated-text"]["count"]) == (9, 10)
    assert {"round1_train_data_128: 1, 3", "round1_train_data_323: 2, 3, 4"} <= set(found["numbering"]["examples"])


def dialogue(line: int, asked: str, answer: str, **changes: Any) -> Dialogue:
    said = (Message("user", asked), Message("assistant", answer))
    return Dialogue(said, file="data.jsonl", line=line, **{"task": "instruction", **changes})


def test_oddities_of_dialogues_are_told():
    found = warnings(
        dialogue(1, "Hi?", "Hello.", source_id="x"),
        dialogue(2, "Hi?", "Hello.", source_id="x"),
        dialogue(3, "Hi?", "Good day."),
        dialogue(4, " Hi?", "No"),
        dialogue(5, "How many?", "select 1", task="sql", topic="dogs"),
        dialogue(6, "What number?", "select 1", task="sql", topic="dogs"),
        dialogue(7, "What number?", "select 1", task="sql", topic="cats", notes=("inexact-sql",)),
    )

    assert {kind: warning["examples"] for kind, warning in found.items()} == {
        "repeated-row": ["x", "data.jsonl:7"],
        "several-answers": ["data.jsonl:3"],
        "repeated-query": ["data.jsonl:6"],
        "repeated-id": ["x at data.jsonl:2"],
        "stray-spaces": ["data.jsonl:4"],
        "short-answer": ["data.jsonl:4: No"],
        "inexact-sql": ["data.jsonl:7"],
    }


def test_every_note_of_a_reader_has_its_words():
    notes = {"stray-label", "exam-number", "empty-premise", "unequal-premises", "no-proof", "echoed-label"}
    notes |= {"blank-turn", "answer-first", "joined-turns", "no-last-answer"}
    found = warnings(*(question(line, notes=(note,)) for line, note in enumerate(sorted(notes))))

    assert notes <= set(found)
