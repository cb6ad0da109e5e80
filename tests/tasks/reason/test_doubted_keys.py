"""Keys in doubt, from a teacher over HTTP to the list that a person reads."""

import re
from pathlib import Path

import polars as pl
import pytest

from prompts import choice
from storage.records import Question
from storage.sources import readers, source
from storage.tables import doubted_keys
from tasks.reason.rationales import PAGES
from tests.fakes import TeacherServer, gold_of, share_of
from tests.tasks.asking import plant, run, spec_for
from tests.tasks.runs import questions

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "competition_logic"


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
    return pl.DataFrame(doubted_keys.load(home / "work")), PAGES.make(home / "work", facts)["rationales.html"]


def test_the_list_holds_the_planted_keys_and_no_others(tmp_path: Path) -> None:
    asked = questions(80) + questions(40, "zh")
    planted = asked[::17]
    found, page = doubted(asked, planted, tmp_path)

    assert {q.id for q in planted} == set(found["question"])
    assert found["rank"].to_list() == list(range(1, len(planted) + 1))
    assert all(len(votes) == 4 and len(set(votes)) == 1 for votes in found["votes"])
    assert all(q.problem in page for q in planted)
    assert re.search(rf"{len(planted)}\b", page)


def test_keys_that_a_person_settled_are_no_suspects_and_the_rationales_stay(tmp_path: Path) -> None:
    asked = questions(12)
    settled = asked[0].id
    wrong = {choice.solve(q)[0].content for q in asked[:2]}
    with TeacherServer(lambda prompt, _: "wrong" if prompt in wrong else "right", gold=gold_of(asked)) as server:
        spec = spec_for(server, prompt="solve", samples=2)
        all_of_them = run(tmp_path, spec, asked)
        fewer = run(tmp_path, spec, asked, settled=frozenset({settled}))
        others = run(tmp_path, spec, asked, settled=frozenset({asked[2].id}))

    assert (2, 1, 2) == tuple(result.facts["suspects"] for result in (all_of_them, fewer, others))
    assert all_of_them.facts["kept"] == fewer.facts["kept"]
    assert all_of_them.identity == others.identity != fewer.identity


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
