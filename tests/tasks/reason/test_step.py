"""reason against a real local server through the real langchain-openai client."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from prompts import choice
from storage.home import Home
from storage.ledger import Ledger
from storage.records import PonensError, Question, Receipt, UsageError
from tasks.reason.step import ReasonSpec, estimate, reason, step, wanted
from tasks.runtime.step import Tick, Workshop
from tests.fakes import TeacherServer, gold_of, mix
from tests.tasks.asking import MIX, plant, run, spec_for, stored, table
from tests.tasks.runs import questions


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


def test_raising_max_tokens_asks_again_only_for_what_was_cut(tmp_path: Path) -> None:
    asked = questions(12)
    cut = {choice.body(q) for q in asked[:4]}

    def script(prompt: str, before: int) -> str:
        return "length" if before == 0 and prompt.rsplit("\n\n", 1)[0] in cut else "right"

    with TeacherServer(script, gold=gold_of(asked)) as server:
        low = run(tmp_path, spec_for(server, max_tokens=50), asked).facts
        lower = run(tmp_path, spec_for(server, max_tokens=40), asked).facts
        high = run(tmp_path, spec_for(server, max_tokens=500), asked).facts

    assert (low["rejected"], low["asked"]) == ({"truncated": 4}, 12)
    assert (lower["rejected"], lower["asked"]) == ({"truncated": 4}, 0)
    assert (high["kept"], high["asked"], high["from_ledger"]) == (12, 4, 8)
    assert {50, 500} == {body["max_tokens"] for body in server.bodies}


def test_asking_again_asks_for_everything_but_answers(tmp_path: Path) -> None:
    asked = questions(3)
    cut = choice.body(asked[0])
    with TeacherServer(gold=gold_of(asked)) as server:
        server.script = lambda prompt, before: "length" if cut in prompt and before == 0 else "right"
        run(tmp_path, spec_for(server), asked)
        facts = run(tmp_path, spec_for(server, again=True), asked).facts

    assert (facts["asked"], facts["kept"]) == (1, 3)


def test_samples_are_requests_of_their_own_and_sampling_shapes_the_key(tmp_path: Path) -> None:
    asked = questions(3)
    with TeacherServer(gold=gold_of(asked)) as server:
        one = run(tmp_path, spec_for(server), asked).facts
        three = run(tmp_path, spec_for(server, samples=3), asked).facts
        warm = run(tmp_path, spec_for(server, temperature=0.5), asked).facts
        elsewhere = run(tmp_path, spec_for(server, base_url=f"{server.url}/v1/", timeout=9, workers=2), asked).facts

    assert [facts["asked"] for facts in (one, three, warm, elsewhere)] == [3, 6, 3, 0]
    assert sum("temperature" in body for body in server.bodies) == 3


def test_the_table_does_not_depend_on_order_or_workers(tmp_path: Path) -> None:
    asked = questions(40)
    with TeacherServer(mix(MIX), gold=gold_of(asked)) as server:
        one = run(tmp_path / "one", spec_for(server, workers=1), list(stored(tmp_path / "1", asked)))
        two = run(tmp_path / "two", spec_for(server, workers=16), list(stored(tmp_path / "2", asked[::-1])))

    assert one.identity == two.identity
    assert table(tmp_path / "one").sort("request").equals(table(tmp_path / "two").sort("request"))


def test_limits_stop_the_stage_and_it_goes_on_from_there(tmp_path: Path) -> None:
    asked = questions(20)
    with TeacherServer(gold=gold_of(asked)) as server:
        with pytest.raises(PonensError, match="max_requests = 5 is reached; 15 of 20"):
            run(tmp_path, spec_for(server, max_requests=5), asked)
        facts = run(tmp_path, spec_for(server), asked).facts

    assert (facts["asked"], facts["from_ledger"]) == (15, 5)
    assert {1} == set(server.completed.values())


def test_max_cost_stops_before_it_is_passed(tmp_path: Path) -> None:
    asked = questions(200)
    prices = {"m": {"in": 1000.0, "out": 1000.0}}
    with TeacherServer(gold=gold_of(asked)) as server:
        spec = spec_for(server, prices=prices, max_cost=2.0)
        with pytest.raises(PonensError, match=r"max_cost = 2\.0 is reached"):
            run(tmp_path, spec, asked)
        with Ledger(Home(tmp_path)) as ledger:
            left = estimate(spec, asked, ledger)

    assert 0 < left["from_ledger"] < 200
    spent = sum(body is not None for body in server.bodies) * 0.08
    assert spent < 2.5


def test_max_cost_without_a_price_is_refused(tmp_path: Path) -> None:
    with TeacherServer() as server, pytest.raises(UsageError, match="price"):
        run(tmp_path, spec_for(server, max_cost=1.0), questions(1))

    assert not server.asked


def test_an_estimate_sends_nothing_and_counts_what_is_open(tmp_path: Path) -> None:
    asked = questions(10)
    with TeacherServer(gold=gold_of(asked)) as server:
        spec = spec_for(server, prices={"m": {"in": 1.0, "out": 2.0}})
        run(tmp_path, spec_for(server), asked[:4])
        with Ledger(Home(tmp_path)) as ledger:
            facts = estimate(spec, asked, ledger)
            unknown = estimate(spec_for(server), asked, ledger)

    assert sum(server.asked.values()) == 4
    assert tuple(facts[k] for k in ("questions", "requests", "asked", "from_ledger")) == (10, 10, 6, 4)
    assert facts["cost"] > 0
    assert unknown["cost"] is None


def test_ctrl_c_keeps_what_was_answered(tmp_path: Path) -> None:
    asked = questions(60)

    def tick(now: Tick) -> None:
        if now.done >= 10:
            raise KeyboardInterrupt

    (tmp_path / "work").mkdir()
    with TeacherServer(gold=gold_of(asked), delay=0.1) as server:
        with pytest.raises(KeyboardInterrupt):
            reason(spec_for(server), asked, Workshop(tmp_path / "work", Home(tmp_path), tick))
        stopped = sum(server.completed.values())
        facts = run(tmp_path, spec_for(server), asked).facts

    assert stopped < 60
    assert stopped == facts["from_ledger"]
    assert {1} == set(server.completed.values())


def test_progress_tells_rate_and_cost(tmp_path: Path) -> None:
    ticks: list[Tick] = []
    with TeacherServer() as server:
        run(tmp_path, spec_for(server, prices={"m": {"in": 1.0, "out": 2.0}}), questions(5), ticks)

    assert (ticks[-1].done, ticks[-1].total, ticks[-1].unit) == (5, 5, "requests")
    assert "/s, cost 0." in ticks[-1].note


def test_questions_without_a_key_and_of_the_test_split_are_left_out(tmp_path: Path) -> None:
    one, two, three = questions(3)

    assert [one.id] == [q.id for q in wanted([one, replace(two, answer=None), replace(three, split="test")])]
    with pytest.raises(UsageError, match="nothing to reason about"):
        run(tmp_path, ReasonSpec(teacher="embedded"), [replace(two, answer=None)])


def test_where_the_ledger_has_everything_no_key_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TeacherServer(gold=gold_of(questions(3))) as server:
        run(tmp_path, spec_for(server), questions(3))
        monkeypatch.delenv("OPENAI_API_KEY")
        facts = run(tmp_path, spec_for(server, keep=1), questions(3)).facts

    assert (facts["asked"], facts["from_ledger"]) == (0, 3)


def test_only_what_shapes_the_result_is_in_the_settings() -> None:
    plain = ReasonSpec(teacher="openai", model="m")
    same = ReasonSpec(
        teacher="openai", model="m", workers=3, timeout=5, max_cost=1, base_url="http://x", max_attempts=2
    )

    assert plain.settings == same.settings
    assert plain.settings != ReasonSpec(teacher="openai", model="m", temperature=0.1).settings
    assert plain.settings != ReasonSpec(teacher="openai", model="m", max_tokens=9).settings


def test_a_spec_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        ReasonSpec(teacher="openai", model="m", retries=3)  # type: ignore[call-arg]


def test_a_step_without_a_model_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(UsageError, match="needs a model"):
        step(ReasonSpec(teacher="dashscope"), Receipt("parse", "", "", "", {}, {}, 0.0, ""))


def test_the_embedded_teacher_solves_generated_puzzles_without_seeing_the_key(tmp_path: Path) -> None:
    from puzzles.generate import generate

    asked = [
        Question(p["problem"], q["question"], tuple(q["options"]), q["answer"])
        for p in generate(20, 1, None)
        for q in p["questions"]
    ]
    result = run(tmp_path, ReasonSpec(teacher="embedded"), asked + questions(1))

    assert result.facts["rejected"] == {"unreadable": 1}
    assert result.facts["requests"] - 1 == result.facts["kept"]
    assert result.facts["cost"] == 0.0
    assert step.__module__ == "tasks.reason.step"
