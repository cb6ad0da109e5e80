"""Statements and answers to instructions, scored against a reference."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evals.scorers.assignment import AssignmentScorer
from evals.scorers.base import Score, unfenced
from evals.scorers.instruction import InstructionScorer, normal_answer
from evals.scorers.likeness import bleu, chrf
from evals.scorers.statement import Checked, StatementScorer, tokens
from storage.dialogues import Dialogue
from storage.records import Message

PROOFNET = Path(__file__).resolve().parents[4] / "shared/data/proofnet/test.jsonl"


def gold(answer: str, **about: Any) -> Dialogue:
    return Dialogue((Message("user", "u"), Message("assistant", answer)), about=about)


def test_a_value_outside_0_to_1_is_no_score() -> None:
    with pytest.raises(ValueError, match=r"1\.5"):
        Score("right", 1.5, "")


def test_the_last_fence_is_the_answer() -> None:
    assert "b" == unfenced("```sql\na\n```\nbetter:\n```\nb\n```")
    assert "SELECT 1" == unfenced(" SELECT 1 ")


@pytest.mark.parametrize(
    ("answer", "other"),
    [
        ("答案是 ４２。", "答案是42"),
        ("The Answer:  yes.", "the answer: yes"),
        ("他说“好”，走了。", '他说"好",走了'),
        ("使用 Python 语言", "使用Python语言"),
        ("10²", "10^2"),
        ("½", "1/2"),
        ("12 m²", "12 ㎡"),
    ],
)
def test_answers_that_differ_in_how_they_are_set_are_the_same(answer: str, other: str) -> None:
    assert normal_answer(other) == normal_answer(answer)
    assert InstructionScorer().score(answer, gold(other)).right


@pytest.mark.parametrize(
    ("answer", "other"),
    [
        ("3.5", "35"),
        ("not a", "a"),
        ("一二", "二一"),
        ("a b", "ab"),
        ("10²", "102"),
        ("25", "2⁵"),
        ("2⁻¹", "2-1"),
        ("2ⁿ", "2n"),
    ],
)
def test_answers_that_say_something_else_are_wrong(answer: str, other: str) -> None:
    score = InstructionScorer().score(answer, gold(other))

    assert "wrong" == score.outcome
    assert score.value == score.measures["chrf"]


def test_an_empty_answer_is_invalid_and_an_empty_reference_says_nothing() -> None:
    assert "invalid" == InstructionScorer().score(" ", gold("x")).outcome
    assert not InstructionScorer().score("x", gold(" ")).counts


def test_chrf_is_popovics() -> None:
    assert 1.0 == chrf("Niemand hat die Absicht", "Niemand hat die Absicht")
    assert 0.0 == chrf("abc", "xyz")
    # by hand: precision 1; recall 2/4 of letters and 1/3 of pairs, on average 5/12; F2 = 5 PR / (4 P + R) = 25/53
    assert chrf("ab", "abcd") == pytest.approx(25 / 53)


def test_bleu_of_tokens() -> None:
    assert 1.0 == bleu(["a", "b"], ["a", "b"])
    # four of five tokens, no gap: precisions 4/4, 3/3, 2/2, 1/1, brevity exp(1 - 5/4)
    assert bleu(list("abcd"), list("abcde")) == pytest.approx(0.7788, abs=1e-4)


@pytest.mark.parametrize(
    "said",
    [
        "theorem other (x : ℕ) : x ≤ x :=",
        "lemma foo\n  (x : ℕ)   :   x <= x := by simp",
        "/- a /- nested -/ comment := -/ theorem foo (x : ℕ) -- of naturals\n: x ≤ x",
        "```lean\ntheorem foo (x : ℕ) : x ≤ x :=\n```",
    ],
)
def test_a_statement_that_differs_in_name_space_and_comments_is_the_same(said: str) -> None:
    assert StatementScorer().score(said, gold("theorem foo (x : ℕ) : x ≤ x :=")).right


@pytest.mark.parametrize(
    "said", ["theorem foo (x : ℕ) : x < x :=", "theorem foo (x : ℤ) : x ≤ x :=", "theorem foo (y : ℕ) : x ≤ x"]
)
def test_another_statement_is_wrong_and_its_value_is_its_bleu(said: str) -> None:
    score = StatementScorer().score(said, gold("theorem foo (x : ℕ) : x ≤ x :="))

    assert "wrong" == score.outcome
    assert 0 < score.value == score.measures["bleu"] < 1


def test_a_default_value_in_a_binder_is_no_proof() -> None:
    assert "y" in tokens("theorem foo (x : ℕ := 3) (y : ℕ) : y = x := rfl")


def test_what_lean_does_not_take_is_invalid() -> None:
    asked = []

    def lean(header: str, statement: str) -> Checked:
        asked.append((header, statement))
        return Checked("bad" not in statement, "unknown identifier")

    scorer = StatementScorer(lean)

    assert "invalid" == scorer.score("theorem a : bad", gold("theorem a : good", header="import x")).outcome
    assert "wrong" == scorer.score("theorem a : other", gold("theorem a : good", header="import x")).outcome
    assert [("import x", "theorem a : bad"), ("import x", "theorem a : other")] == asked


@pytest.mark.skipif(not PROOFNET.exists(), reason="ProofNet's rows are not beside the repository")
def test_every_proofnet_statement_is_itself_and_no_other() -> None:
    rows = [orjson.loads(line)["formal_statement"] for line in PROOFNET.read_bytes().splitlines()]

    assert all(StatementScorer().score(row, gold(row)).right for row in rows)
    assert len(rows) - 3 <= len({tuple(tokens(row)) for row in rows})


def test_texts_vote_by_their_normal_form() -> None:
    assert [0, 1, 0, None] == InstructionScorer().labels(["答案是 ４２。", "43", "答案是42", " "], gold("x"))
    said = ["theorem a : x <= y := by simp", "lemma b : x ≤ y", "theorem c : y", "-- nothing"]
    assert [0, 0, 2, None] == StatementScorer().labels(said, gold("x"))


PEOPLE = {"names": ["Ann", "Anna", "小月"], "solution": [True, False, False]}


@pytest.mark.parametrize(
    ("answer", "outcome", "value"),
    [
        ("(1) Ann is a knight\n(2) Anna is a knave\n(3) 小月是无赖", "right", 1.0),
        ("(1) **Ann**: Knight\n(2) Anna is **knave**\n(3) 小月是一个无赖", "right", 1.0),
        ("Ann is a knave. No: Ann is a knight, Anna is a knave, and 小月 is a knave.", "right", 1.0),
        ("Ann is a knight, Anna is a knight, 小月是武士", "wrong", 1 / 3),
        ("Ann is a knight, Anna is a knave", "invalid", 0.0),
        ("Ann is not a knave, Anna is a knave, 小月是无赖", "invalid", 0.0),
        ("Anna is a knave, 小月是无赖", "invalid", 0.0),
        ("", "invalid", 0.0),
    ],
)
def test_an_assignment_is_right_when_every_role_is(answer: str, outcome: str, value: float) -> None:
    score = AssignmentScorer().score(answer, gold("", **PEOPLE))

    assert (score.outcome, score.value) == (outcome, pytest.approx(value))


def test_assignments_vote_by_what_they_say_of_whom() -> None:
    said = ["Ann is a knight", "no idea", "(1) Ann: knave", "Ann is a  knight."]

    assert [0, None, 2, 0] == AssignmentScorer().labels(said, gold("", names=["Ann"], solution=[True]))
    assert "gold-invalid" == AssignmentScorer().score("Ann is a knight", gold("")).outcome
