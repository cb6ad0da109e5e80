"""Accuracies on parts of the questions."""

from evals.report.facts import change_of
from evals.slices import labels, labels_of, slices
from evals.stats import wilson
from storage.records import Ballot, Question


def ballot(i, winner):
    return Ballot(f"q{i}", "g", "A", (winner,), winner)


def test_each_part_has_its_own_accuracies():
    base = [ballot(i, w) for i, w in enumerate("AABB")]
    adapter = [ballot(i, w) for i, w in enumerate("ABAA")]
    labels = {f"q{i}": {"language": "zh" if i < 2 else "en"} for i in range(4)}

    found = slices(base, adapter, labels)

    assert [("language", "en", 2, 0.0, 1.0), ("language", "zh", 2, 1.0, 0.5)] == [
        tuple(part[name] for name in ("by", "name", "n", "base", "adapter")) for part in found
    ]
    assert [list(wilson(2, 2)), list(wilson(1, 2))] == [part["adapter_ci95"] for part in found]
    assert [list(wilson(0, 2)), list(wilson(2, 2))] == [part["base_ci95"] for part in found]


def test_questions_without_a_label_are_left_out():
    assert slices([ballot(0, "A")], [ballot(0, "A")], {}) == []


def test_a_question_says_its_language_and_number_of_options():
    question = Question("p", "谁？", ("一", "二", "三"), source_id="boxes-zh-7")

    assert labels_of(question) == {"family": "boxes", "language": "Chinese", "options": "3 options"}


def test_questions_fall_into_quarters_by_length_within_their_language():
    english = [Question("x" * n, "Which?", ("a", "b")) for n in range(8)]
    chinese = [Question("字" * n, "谁？", ("一", "二")) for n in range(1, 9)]
    found = labels(english + chinese)

    for part in (english, chinese):
        assert ["1 shortest", "1 shortest", "2", "2", "3", "3", "4 longest", "4 longest"] == [
            found[q.id]["length"] for q in part
        ]


def test_a_label_that_parts_nothing_is_left_out_but_for_the_language():
    alike = [Question(f"p{n}", "Which?", ("a", "b")) for n in range(4)]

    assert {"language": "English"} == labels(alike)[alike[0].id]
    assert {} == labels([])


def test_a_change_is_named_by_who_was_right():
    assert change_of(base_right=False, adapter_right=True) == "fixed"
    assert change_of(base_right=True, adapter_right=False) == "broken"
    assert change_of(base_right=True, adapter_right=True) == "both right"
    assert change_of(base_right=False, adapter_right=False) == "both wrong"
