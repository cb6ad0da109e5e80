"""Keys in doubt, from a teacher over HTTP to the list that a person reads."""

import re
from pathlib import Path

import polars as pl
import pytest

from prompts import choice
from storage import readers, source, suspects
from storage.records import Question
from tasks.rationales import PAGES
from tests.fakes import TeacherServer, gold_of, share_of
from tests.tasks.asking import plant, run, spec_for
from tests.tasks.runs import questions

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "competition_logic"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


def doubted(asked: list[Question], planted: list[Question], home: Path) -> tuple[pl.DataFrame, str]:
    """The list and the page after four samples of a teacher that errs now and then, and contradicts planted keys."""
    wrong = {choice.solve(q)[0].content for q in planted}

    def play(prompt: str, before: int) -> str:
        if prompt in wrong:
            return "wrong"
        acts = ("wrong", "unreadable", "429", "500", "length")
        place = int(share_of(prompt) * 20)
        return acts[place] if place < len(acts) and before == 0 else "right"

    with TeacherServer(play, gold=gold_of(asked)) as server:
        spec = spec_for(server, prompt=None, samples=4, workers=32, prices={"m": {"in": 1.0, "out": 2.0}})
        facts = run(home, spec, asked).facts
    assert facts["unanswered"] == 0
    assert facts["suspects"] == len(planted)
    return pl.DataFrame(suspects.load(home / "work")), PAGES.make(home / "work", facts)["rationales.html"]


def test_the_list_holds_the_planted_keys_and_no_others(tmp_path: Path) -> None:
    asked = questions(80) + questions(40, "zh")
    planted = asked[::17]
    found, page = doubted(asked, planted, tmp_path)

    assert {q.id for q in planted} == set(found["question"])
    assert found["rank"].to_list() == list(range(1, len(planted) + 1))
    assert all(len(votes) == 4 and len(set(votes)) == 1 for votes in found["votes"])
    assert all(q.problem in page for q in planted)
    assert re.search(rf"{len(planted)}\b", page)


@pytest.mark.process
@pytest.mark.skipif(not DATA.exists(), reason=f"the competition's data is not at {DATA}")
def test_the_competition_s_planted_keys_are_found_all_of_them_and_no_others(tmp_path: Path) -> None:
    asked = sorted(
        {q.id: q for q in readers.read(source.files([DATA])) if isinstance(q, Question) and q.answer}.values(),
        key=lambda q: q.id,
    )
    planted = asked[::60]
    found, _ = doubted(asked, planted, tmp_path)

    assert len(asked) == 1163
    assert {q.id for q in planted} == set(found["question"])
