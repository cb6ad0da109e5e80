"""A scorer of a user's own: what its function may give back, how it may go wrong, and what that costs."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.scorers.base import Score
from evals.scorers.guarded import scored
from evals.scorers.own import OwnScorer
from prompts import instruction
from storage.records import UsageError
from tasks.evaluate.scoring import of_references
from tasks.runtime.own_function import Function
from tasks.sandbox.own import Own, own
from tests.dialogues import chat
from tests.documents import ROOT

GOLD = chat("How long is the table?", "1.5 m", task="instruction")
ODD = """
import os, pathlib, sys, time

def fine(reply, reference, row):
    return {"score": 0.5, "label": reply.split()[0], "reason": row["question"]}

def answers(reply, reference, row):
    if reply == "raise": raise ValueError("no unit")
    if reply == "exit": sys.exit(3)
    if reply == "die": os._exit(7)
    if reply == "hang":
        while True: pass
    if reply == "sleep": time.sleep(100)
    if reply == "eat": return len(bytearray(1 << 40))
    if reply == "print": print("noise"); return True
    if reply == "write": return bool(pathlib.Path("left-behind").write_text("x"))
    if reply == "key": return {"score": 1.0, "reason": os.environ.get("OPENAI_API_KEY", "none")}
    return {"two": 2, "none": None, "text": "yes", "nan": float("nan"), "list": [1], "more": {"score": 1, "grade": 2},
            "label": {"score": 1, "label": 7}, "object": object(), "true": True, "zero": 0}[reply]

def few(reply): return True
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_scorers.py"
    path.write_text(ODD)
    return path


@pytest.fixture
def scorer(file: Path) -> Iterator[OwnScorer]:
    with ExitStack() as stack:
        yield own(replace(Function.of(f"{file}:answers"), seconds=1, memory=256 << 20), stack)


@pytest.mark.process
def test_each_thing_that_a_function_does_is_that_reply_s_outcome_and_no_other_s(
    scorer: OwnScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    expected = {
        "true": ("right", "right"),
        "zero": ("wrong", "worth 0"),
        "raise": ("error", "ValueError: no unit (my_scorers.py:"),
        "exit": ("error", "SystemExit: 3"),
        "die": ("error", "its process ended with code 7"),
        "hang": ("error", "over 1 s of processor time and was ended"),
        "eat": ("error", "more memory"),
        "print": ("right", "right"),
        "write": ("error", "File too large"),
        "key": ("right", "none"),
        "two": ("error", "gave back 2; expected a bool or a number"),
        "none": ("error", "gave back None"),
        "text": ("error", "gave back 'yes'"),
        "nan": ("error", "gave back 'nan'"),
        "list": ("error", "'<list>'"),
        "object": ("error", "'<object>'"),
        "more": ("error", "gave back grade"),
        "label": ("error", "gave back 7 as label"),
        "": ("invalid", "the answer is empty"),
    }

    found = scored(expected, GOLD, scorer, instruction.read)

    for reply, (outcome, reason) in expected.items():
        score = found[reply].score
        assert (reply, outcome) == (reply, score.outcome), score.reason
        assert reason in score.reason
    assert "right" == scorer.score("true", GOLD).outcome  # whatever went before


@pytest.mark.process
def test_a_function_that_sleeps_is_ended(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Function, "patience", 0.5)
    with ExitStack() as stack:
        score = own(Function.of(f"{file}:answers"), stack).score("sleep", GOLD)

    assert "error" == score.outcome and "was ended" in score.reason


@pytest.mark.process
def test_a_label_says_which_answers_are_one_and_the_row_what_was_asked(file: Path) -> None:
    with ExitStack() as stack:
        scorer = own(Function.of(f"{file}:fine"), stack)
        assert [0, 0, None, 3] == scorer.labels(["A one", "A two", "", "B"], GOLD)
        assert Score("wrong", 0.5, "How long is the table?") == scorer.score("A one", GOLD)


@pytest.mark.process
@pytest.mark.parametrize(
    "spelled, said",
    [
        ("my_scorers.py:nobody", "has no function 'nobody', only fine, answers, few"),
        ("my_scorers.py:ODD", "has no function 'ODD'"),
        ("my_scorers.py:few", r"few\(reply\) does not take \(reply, reference, row\)"),
        ("torn.py:x", "torn.py cannot be loaded: SyntaxError"),
        ("lacks.py:x", "ModuleNotFoundError: No module named 'my_scorers'"),
        ("ends.py:x", "SystemExit"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused_with_what_is_wrong(spelled: str, said: str, file: Path) -> None:
    (file.parent / "torn.py").write_text("def x(:")
    (file.parent / "lacks.py").write_text("import my_scorers")  # what lies beside it is in no key
    (file.parent / "ends.py").write_text("raise SystemExit")
    with pytest.raises(UsageError, match=said):
        Own(Function.of(f"{file.parent / spelled}")).ready()


@pytest.mark.parametrize(
    "spelled, said", [("my_scorers", "a function of it"), ("none.py:x", "there is no file"), ("a.py:x y", "a function")]
)
def test_what_names_no_function_is_refused(spelled: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Function.of(spelled)


def test_the_files_content_and_the_functions_name_are_its_identity_and_its_place_is_not(file: Path) -> None:
    first = Function.of(f"{file}:fine").fingerprint
    moved = file.rename(file.parent / "other.py")

    assert first == Function.of(f"{moved}:fine").fingerprint
    assert first != Function.of(f"{moved}:answers").fingerprint
    moved.write_text(ODD + "\n# another rule\n")
    assert first != Function.of(f"{moved}:fine").fingerprint


UNITS = [
    ("1.5 m", "150 cm", True), ("1.5 m", "The table is 1.5 metres long.", True), ("1.5 m", "1.5 cm", False),
    ("1.5 m", "1.5 kg", False), ("1.5 m", "1.5", False), ("20 N", "0.02 kN", True), ("36 km/h", "10 m/s", True),
]  # fmt: skip


@pytest.mark.process
def test_the_example_of_the_docs_scores_units_in_physics_answers() -> None:
    function = Function.of(f"{ROOT / 'recipes' / 'units.py'}:equal_units")
    with ExitStack() as stack:
        scorer = own(function, stack)
        for reference, reply, right in UNITS:
            gold = chat("How long, heavy or fast?", reference, task="instruction")
            score = scorer.score(reply, gold)
            assert right is score.right, (reply, score)
        assert [0, 0, 2, None] == scorer.labels(["1.5 m", "150 cm", "2 m", ""], GOLD)
    assert all(s.right for s in of_references([GOLD], "instruction", _none(), [], function))


def _none() -> Any:
    from tasks.kinds.text_to_sql import SQLITE

    return SQLITE
