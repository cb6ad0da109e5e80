"""Keys and answers as people and tools write them, compared by what they mean."""

import pytest

from evals.answers import plain
from evals.verdict import verdict
from storage.records import UsageError


def rows(golds, answers):
    return [
        {"id": n, "group": n, "gold": gold, "answer": answer}
        for n, (gold, answer) in enumerate(zip(golds, answers, strict=True))
    ]


def right(gold, answer):
    [row] = rows([gold], [answer])
    return verdict([row], [row]).base.accuracy


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("B", "b"), ("B", "B "), ("B", "(b)"), ("B", "B."), ("B", "Ｂ"), ("b", "B"),
        ("B", "**B**"), ("B", '"B"'), ("B", "“b”"), ("B", "$B$"), ("B", "\\boxed{B}"), ("B", "`B`"), ("B", "\ufeffB"), ("B", "option B"),
        ("B", "Answer: B"), ("B", "The answer is (B)."), ("B", "选B"), ("B", "答案：Ｂ"), ("5", "$5$"), ("yes", "**Yes**"), (["A"], "A"), ("A", ["A"]),
        (1, "1"), ("1", 1), (1, 1.0), ("1.0", 1), (2.5, "2.5"), (True, "true"), (True, "True"), ("yes", "Yes "),
        ("two  words", "two words"), (["A", "C"], ["C", "a"]), (0, "0"), (0, 0),
    ],
)  # fmt: skip
def test_an_answer_is_its_key_however_either_is_written(gold, answer):
    assert 1.0 == right(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("B", "C"),
        ("B", "no B"),
        ("B", "not option B"),
        ("B", "option BC"),
        ("x", "x'"),
        ("5", "$5"),
        (1, "2"),
        ("07", "7"),
        (["A", "C"], ["A"]),
        ("A", "AB"),
        (1, True),
        ("0", ""),
        ("10²", "102"),
        ("2³", "23"),
    ],
)
def test_what_differs_is_wrong(gold, answer):
    assert 0.0 == right(gold, answer)


@pytest.mark.parametrize("none", [None, "", "  ", [], float("nan")])
def test_nothing_is_no_answer(none):
    [row] = rows(["B"], [none])

    assert 1.0 == verdict([row], [row]).base.unreadable


def test_case_counts_where_two_keys_differ_in_nothing_else():
    keys = ["Ab", "aB"]

    assert 0.0 == verdict(rows(keys, keys[::-1]), rows(keys, keys)).base.accuracy


def test_keys_of_another_json_type_are_no_difference():
    base, adapter = rows([1] * 8, ["1"] * 8), rows(["1"] * 8, [1.0] * 8)
    v = verdict(base, adapter)

    assert ("cannot tell", 1.0, 1.0, ()) == (v.word, v.base.accuracy, v.adapter.accuracy, v.warnings)


def test_a_side_that_never_names_a_key_is_told():
    v = verdict(rows("ABC", "ABC"), rows("ABC", ["the red cup", "blue", "green"]), ("one", "two"))

    assert "two: no answer is any of the keys that occur; keys are such as 'A', 'B', 'C'" in v.warnings[0]
    assert 1 == len(v.warnings)
    assert () == verdict(rows("AB", "AB"), rows("AB", [None, None])).warnings


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (5, "an object with the fields"),
        (None, "an object with the fields"),
        ({"id": 1, "group": 1, "gold": {"a": 1}, "answer": "A"}, "a text, a number, or a list"),
        ({"id": 1, "group": 1, "gold": ["A", "B"], "answer": "A"}, "as many answers as keys"),
        ({"id": 1, "group": 1, "gold": "", "answer": "A"}, "the key of the question"),
        ({"id": [1], "group": 1, "gold": "A", "answer": "A"}, "a text or a number"),
        ({"id": True, "group": 1, "gold": "A", "answer": "A"}, "a text or a number"),
        ({"id": 1, "group": 1, "score": "high"}, "a number, or null"),
        ({"id": 1, "group": 1, "score": float("nan")}, "a number, or null"),
        ({"id": 1, "score": 1}, "add group"),
    ],
)
def test_what_is_no_row_is_refused_by_name(row, says):
    with pytest.raises(UsageError, match=says):
        verdict([row], [row])


def test_plain_is_the_same_again():
    for value in ("(b)", "Ｂ", ["B"], 1.0, "1.0", " x  y ", None, True):
        assert plain(value) == plain(plain(value))
