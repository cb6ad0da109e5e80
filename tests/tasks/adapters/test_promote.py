"""The gate's own arithmetic where replies are scored; multiple choice is tested with the command."""

from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.records import PonensError, Receipt
from storage.tables import scores
from tasks.adapters.promote import judge

N = 24


def scored(home: Home, name: str, kind: str, scorer: str, rows: list[tuple[str, float]], base: str = "b") -> Receipt:
    """An evaluation whose adapter came to these outcomes and losses, a question each."""
    folder = home.root / "artifacts" / name.replace("/", "-")
    folder.mkdir(parents=True)
    scores.write(
        folder,
        [
            {"question": f"q{n:02}", "group": f"g{n:02}", "subject": subject, "index": -1, "text": "t", "finish": "stop",
             "outcome": outcome, "value": 0.5, "reason": "", "measures": f'{{"loss": {loss}}}', "label": None, "wins": True}
            for subject in ("base", name)
            for n, (outcome, loss) in enumerate(rows)
        ],
    )  # fmt: skip
    facts: dict[str, Any] = {"kind": kind, "scorer": scorer, "adapter_name": name, "questions": N, "votes": 1}
    facts |= {"adapter": {"accuracy": 0.5}, "base": {"accuracy": 0.5}, "paired": {"verdict": "better", "fixed_ids": []}}
    ingredients = {"inputs": {"base_model": base}}
    return Receipt("evaluate", name, name, str(folder.relative_to(home.root)), facts, ingredients, 1.0, "")


def rows(right: int, loss: float = 1.0, left_out: int = 0) -> list[tuple[str, float]]:
    said = ["gold-invalid"] * left_out + ["right"] * right
    return [(outcome, loss) for outcome in said + ["wrong"] * (N - len(said))]


@pytest.mark.parametrize(
    ("kind", "scorer", "before", "after", "word", "questions"),
    [
        ("sql", "sql", rows(4), rows(20), "better", "16 of 24"),
        ("sql", "sql", rows(20), rows(4), "worse", "of 24"),
        ("sql", "sql", rows(4), rows(6), "cannot tell", "2 of 24"),
        ("sql", "sql", rows(2, left_out=2), rows(20), "better", "of 22"),
        # a chat's outcome is against its base: both beat it everywhere, but one has the lower loss
        ("chat", "loss", rows(N, loss=1.0), rows(N, loss=0.8), "better", "24 of 24"),
        ("chat", "loss", rows(N, loss=1.0), rows(N, loss=1.0), "cannot tell", "24 questions"),
        ("chat", "judge", rows(4), rows(20), "better", "16 of 24"),
    ],
)
def test_scored_replies_meet_each_other_and_not_their_bases(
    kind: str, scorer: str, before: Any, after: Any, word: str, questions: str, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    champion, candidate = (scored(home, f"x/{n}", kind, scorer, of) for n, of in ((1, before), (2, after)))
    found = judge(home, candidate, champion)

    assert word == found["paired"]["verdict"]
    assert questions in found["paired"]["reason"]
    assert {"x/1", "x/2"} == set(found["evaluations"])


def test_without_a_champion_it_is_the_base_that_counts(tmp_path: Path) -> None:
    candidate = scored(Home(tmp_path), "x/1", "sql", "sql", rows(4))

    assert {"verdict": "better"} == judge(Home(tmp_path), candidate, None)["paired"]


def test_chats_over_different_bases_and_evaluations_that_are_gone_are_errors(tmp_path: Path) -> None:
    home = Home(tmp_path)
    one, two = (scored(home, f"x/{base}", "chat", "judge", rows(4), base=base) for base in "ab")

    with pytest.raises(PonensError, match="different ones"):
        judge(home, two, one)
    (home.root / one.artifact / scores.SCORES).unlink()
    with pytest.raises(PonensError, match="evaluation is gone"):
        judge(home, one, one)
