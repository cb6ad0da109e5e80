"""Solve first, explain what was not solved; against a real local server."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompts import choice
from storage.home import Home
from storage.ledger import Ledger
from storage.records import PonensError, Question
from tasks.reason.step import ReasonSpec, estimate
from tests.fakes import TeacherServer, gold_of
from tests.tasks.asking import plant, run, spec_for, table
from tests.tasks.runs import questions

ASKED = questions(12)
HARD = {choice.solve(q)[0].content for q in ASKED[:4]}  # the teacher gets these wrong unless it is shown the key


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


def teacher(**changes: Any) -> TeacherServer:
    return TeacherServer(lambda prompt, before: "wrong" if prompt in HARD else "right", gold=gold_of(ASKED), **changes)


def both(server: TeacherServer, **changes: Any) -> ReasonSpec:
    return spec_for(server, prompt=None, **changes)


def test_what_no_sample_solves_is_explained_and_the_table_says_which_prompt_made_a_row(tmp_path: Path) -> None:
    with teacher() as server:
        facts = run(tmp_path, both(server, samples=2, hints=3), ASKED).facts
    rows = table(tmp_path)
    kept = rows.filter("kept").group_by("prompt").agg(pl.col("question").n_unique())

    assert (facts["questions"], facts["requests"], facts["asked"]) == (12, 12 * 2 + 4 * 3, 12 * 2 + 4 * 3)
    assert dict(kept.rows()) == {"choice/2/solve": 8, "choice/2/explain": 4}
    assert {q.id for q in ASKED[:4]} == set(rows.filter(pl.col("prompt") == "choice/2/explain")["question"])
    assert not any("key is" in body["messages"][-1]["content"] for body in server.bodies[:24])


def test_a_question_that_one_sample_solves_is_not_explained(tmp_path: Path) -> None:
    with TeacherServer(lambda prompt, before: "right" if before else "wrong", gold=gold_of(ASKED)) as server:
        facts = run(tmp_path, both(server, samples=2), ASKED).facts

    assert facts["requests"] == 24
    assert {"choice/2/solve"} == set(table(tmp_path)["prompt"])


def test_a_second_run_asks_for_nothing_and_more_hints_ask_only_for_themselves(tmp_path: Path) -> None:
    with teacher() as server:
        first = run(tmp_path, both(server), ASKED)
        again = run(tmp_path, both(server), ASKED)
        more = run(tmp_path, both(server, hints=2), ASKED).facts
        plain = run(tmp_path, both(server, keep=1, near_copy=0.5), ASKED).facts

    assert (first.facts["asked"], again.facts["asked"], more["asked"], plain["asked"]) == (16, 0, 4, 0)
    assert first.identity == again.identity


def test_a_question_with_an_open_request_waits_with_its_hints(tmp_path: Path) -> None:
    lost = choice.solve(ASKED[0])[0].content
    script = {"lost": True}

    def play(prompt: str, before: int) -> str:
        return "400" if prompt == lost and script["lost"] else "wrong" if prompt in HARD else "right"

    with TeacherServer(play, gold=gold_of(ASKED)) as server:
        with pytest.raises(PonensError, match="1 of 15 requests stayed without an answer"):
            run(tmp_path, both(server), ASKED)
        script["lost"] = False
        facts = run(tmp_path, both(server), ASKED).facts

    assert (facts["asked"], facts["requests"], facts["unanswered"]) == (2, 16, 0)


def test_limits_count_both_prompts(tmp_path: Path) -> None:
    with teacher() as server:
        with pytest.raises(PonensError, match="max_requests = 14 is reached; 2 of 16 requests"):
            run(tmp_path, both(server, max_requests=14), ASKED)
        facts = run(tmp_path, both(server), ASKED).facts

    assert (facts["asked"], facts["from_ledger"]) == (2, 14)


def test_progress_goes_on_over_both_prompts(tmp_path: Path) -> None:
    ticks: list[Any] = []
    with teacher() as server:
        run(tmp_path, both(server), ASKED, ticks)

    assert (ticks[-1].done, ticks[-1].total) == (16, 16)


def test_an_estimate_says_what_is_sure_and_what_is_the_most(tmp_path: Path) -> None:
    with teacher() as server:
        spec = both(server, prices={"m": {"in": 1000.0, "out": 2000.0}})
        with Ledger(Home(tmp_path)) as ledger:
            before = estimate(spec, ASKED, ledger)
        with pytest.raises(PonensError, match="max_requests"):
            run(tmp_path, both(server, max_requests=12), ASKED)
        with Ledger(Home(tmp_path)) as ledger:
            between = estimate(spec, ASKED, ledger)
        facts = run(tmp_path, spec, ASKED).facts

    assert (before["asked"], before["at_most"]["asked"], before["learned_from"]) == (12, 24, 0)
    assert before["cost"] < before["at_most"]["cost"]
    assert (between["asked"], between["at_most"]["asked"], between["learned_from"]) == (4, 4, 12)
    assert between["tokens"]["out"] == pytest.approx(facts["tokens"]["out"], rel=0.25)
    assert between["cost"] == pytest.approx(facts["cost"], rel=0.3)  # a hinted prompt is longer than those learned from


def test_an_estimate_for_other_questions_learns_from_the_same_model(tmp_path: Path) -> None:
    with teacher() as server:
        run(tmp_path, both(server), ASKED)
        others = [Question("Another text.", f"Which {n}?", ("a", "b"), "A") for n in range(5)]
        with Ledger(Home(tmp_path)) as ledger:
            known = estimate(both(server), others, ledger)
            unknown = estimate(both(server, model="n"), others, ledger)

    assert (known["learned_from"], unknown["learned_from"]) == (16, 0)
    assert known["tokens"]["out"] < unknown["tokens"]["out"] == 5 * 400


def test_a_rationale_that_betrays_the_key_is_refused_where_it_was_shown(tmp_path: Path) -> None:
    with TeacherServer(lambda prompt, before: "wrong" if prompt in HARD else "betrays", gold=gold_of(ASKED)) as server:
        facts = run(tmp_path, both(server), ASKED).facts
    rows = table(tmp_path)

    assert facts["rejected"] == {"betrays the key": 4, "disagrees": 4}
    assert set(rows.filter(pl.col("reason") == "betrays the key")["prompt"]) == {"choice/2/explain"}


def test_of_a_question_s_rationales_copies_go_and_at_most_keep_stay(tmp_path: Path) -> None:
    with TeacherServer(gold=gold_of(ASKED)) as server:
        one = run(tmp_path / "one", both(server, samples=2), ASKED).facts
        server.script = lambda prompt, before: ("right", "right", "boxed", "option")[before % 4]
        four = run(tmp_path / "four", both(server, samples=4, keep=2, near_copy=0.999), ASKED).facts

    assert (one["kept"], one["rejected"]) == (12, {"near-copy": 12})
    assert four["kept"] == 24
    assert four["rejected"]["surplus"] + four["rejected"]["near-copy"] == 24
