"""What can go wrong between reason and a teacher, played by a local server over real HTTP to the real clients."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from prompts import choice
from storage.home import Home
from storage.journal import rows
from storage.ledger import Ledger
from storage.records import PonensError, Question, UsageError
from tests.fakes import TeacherServer, always, first, gold_of, mix
from tests.tasks.asking import KEY, MIX, everything, plant, run, spec_for, table
from tests.tasks.runs import questions


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


def test_a_faulty_server_costs_no_question(tmp_path: Path) -> None:
    asked = questions(60) + questions(20, "zh")
    with TeacherServer(mix(MIX, times=2), gold=gold_of(asked)) as server:
        result = run(tmp_path, spec_for(server), asked)
        seen = Counter(server.completed)
    facts, rows = result.facts, table(tmp_path)

    assert tuple(facts[k] for k in ("questions", "requests", "asked", "from_ledger", "unanswered")) == (
        80,
        80,
        80,
        0,
        0,
    )
    assert {1} == set(seen.values())
    assert sum(server.asked.values()) > 80  # faults did happen
    assert {"disagrees", "unreadable"} == set(facts["rejected"])
    assert facts["kept"] + sum(facts["rejected"].values()) == 80
    assert rows["question"].to_list() == [q.id for q in asked]
    gold = {q.id: q.answer for q in asked}
    assert all((gold[r["question"]] == r["answer"]) == r["kept"] for r in rows.iter_rows(named=True))
    assert facts["tokens"]["in"] > 0
    assert facts["cost"] is None  # unknown is not 0


@pytest.mark.parametrize(
    "act",
    [
        "429", "429-after", "500", "503", "408", "409", "425",
        "reset", "drop", "html", "torn", "no-choices", "no-list", "empty", "null",
    ],
)  # fmt: skip
@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
def test_a_passing_fault_is_tried_again(tmp_path: Path, act: str, teacher: str) -> None:
    with TeacherServer(first(act, act)) as server:
        facts = run(tmp_path, spec_for(server, teacher), questions(1)).facts

    assert {questions(1)[0].id} == set(table(tmp_path)["question"])
    assert (facts["asked"], facts["kept"], facts["unanswered"]) == (1, 1, 0)
    assert list(server.asked.values()) == [3]


@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
@pytest.mark.parametrize(("act", "why"), [("length", "truncated"), ("refusal", "refused"), ("filtered", "refused")])
def test_a_reply_that_will_not_get_better_is_asked_for_once(tmp_path: Path, act: str, why: str, teacher: str) -> None:
    with TeacherServer(always(act)) as server:
        facts = run(tmp_path, spec_for(server, teacher), questions(3)).facts
        again = run(tmp_path, spec_for(server, teacher), questions(3)).facts

    assert {why: 3} == facts["rejected"] == again["rejected"]
    assert (facts["asked"], again["asked"]) == (3, 0)
    assert sum(server.asked.values()) == 3


@pytest.mark.parametrize("act", ["wrong", "unreadable", "outside"])
def test_a_reply_that_is_no_use_is_kept_out_with_its_reason(tmp_path: Path, act: str) -> None:
    asked = questions(1)
    with TeacherServer(always(act), gold=gold_of(asked)) as server:
        facts = run(tmp_path, spec_for(server), asked).facts

    assert {"wrong": "disagrees"}.get(act, act) == next(iter(facts["rejected"]))
    assert facts["kept"] == 0
    assert sum(server.asked.values()) == 1


def test_an_option_of_the_key_s_own_text_is_right(tmp_path: Path) -> None:
    asked = [Question("A lamp is on.", "Which?", ("red", "blue", "red "), "A")]
    with TeacherServer(gold={choice.body(asked[0]): "C"}) as server:
        facts = run(tmp_path, spec_for(server), asked).facts

    assert (facts["kept"], facts["rejected"]) == (1, {})


def test_a_plain_400_fails_its_request_and_is_asked_again_next_time(tmp_path: Path) -> None:
    with TeacherServer(first("400")) as server:
        with pytest.raises(PonensError, match="1 of 1 requests stayed without an answer"):
            run(tmp_path, spec_for(server), questions(1))
        facts = run(tmp_path, spec_for(server), questions(1)).facts

    assert (facts["asked"], facts["kept"]) == (1, 1)
    assert sum(server.asked.values()) == 2


def test_a_few_unanswered_may_be_accepted(tmp_path: Path) -> None:
    asked = questions(10)
    lost = choice.body(asked[0])
    with TeacherServer(lambda prompt, before: "400" if lost in prompt else "right", gold=gold_of(asked)) as server:
        facts = run(tmp_path, spec_for(server, max_unanswered=0.1), asked).facts

    assert (facts["kept"], facts["unanswered"]) == (9, 1)
    assert table(tmp_path).filter(~pl.col("kept"))["reason"].to_list() == ["unanswered"]


@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
def test_a_wrong_key_stops_the_stage_at_once_and_is_shown_nowhere(
    tmp_path: Path, teacher: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with TeacherServer(key="another") as server, pytest.raises(PonensError) as caught:
        run(tmp_path, spec_for(server, teacher), questions(500))

    assert "401" in str(caught.value)
    assert sum(server.asked.values()) <= 8  # the workers' first round, nothing more
    said = str(caught.value) + caplog.text + "".join(capfd.readouterr()) + everything(tmp_path)
    assert KEY not in said
    assert "planted" not in said


@pytest.mark.parametrize("act", ["403", "404", "quota"])
def test_what_is_true_of_all_requests_stops_the_stage(tmp_path: Path, act: str) -> None:
    with TeacherServer(always(act)) as server, pytest.raises(PonensError, match="would turn away all others"):
        run(tmp_path, spec_for(server), questions(200))

    assert sum(server.asked.values()) <= 8


def test_a_missing_key_is_named_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with TeacherServer() as server, pytest.raises(UsageError, match="OPENAI_API_KEY"):
        run(tmp_path, spec_for(server), questions(1))

    assert not server.asked


def test_a_server_that_is_gone_stops_the_stage_soon(tmp_path: Path) -> None:
    with TeacherServer() as server:
        pass
    with pytest.raises(PonensError, match="no teacher is to be reached"):
        run(tmp_path, spec_for(server), questions(500))

    with Ledger(Home(tmp_path)) as ledger:
        assert ledger.find("0" * 64) is None


def test_a_key_in_a_reply_or_an_error_stays_out_of_the_ledger(tmp_path: Path) -> None:
    asked = [Question(f"The word is {KEY}.", "Which?", ("a", "b"), "A")]
    with TeacherServer(first("500"), gold={}) as server:
        server.letter = lambda prompt: f"A {KEY}"  # type: ignore[method-assign]
        run(tmp_path, spec_for(server, max_attempts=3), asked)

    assert "***" in everything(tmp_path / "ledger")
    assert KEY not in everything(tmp_path / "ledger")


def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    with TeacherServer(first("429-after"), retry_after=0.6) as server:
        run(tmp_path, spec_for(server), questions(1))

    assert server.times[1] - server.times[0] >= 0.6


@pytest.mark.parametrize("act", ["drip", "drip-head"])
@pytest.mark.parametrize(("teacher", "thinking"), [("openai", None), ("dashscope", None), ("dashscope", True)])
def test_a_server_that_drips_is_given_up_in_time_and_asked_again(
    tmp_path: Path, act: str, teacher: str, thinking: bool | None
) -> None:
    """Each byte comes well within the client's timeout, so that only a clock for the whole call can fire."""
    with TeacherServer(first(act)) as server:
        facts = run(tmp_path, spec_for(server, teacher, timeout=0.7, thinking=thinking), questions(1)).facts

    assert (facts["asked"], facts["kept"], facts["unanswered"]) == (1, 1, 0)
    assert list(server.asked.values()) == [2]


@pytest.mark.parametrize("act", ["drip", "drip-head"])
@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
def test_a_server_that_holds_every_socket_open_for_ever_does_not_hold_the_stage(
    tmp_path: Path, act: str, teacher: str
) -> None:
    with TeacherServer(always(act)) as server:
        spec = spec_for(server, teacher, timeout=0.3, deadline=0.8)
        with pytest.raises(PonensError, match="12 of 12 requests stayed without an answer") as caught:
            run(tmp_path, spec, questions(12))

    assert "12 failed" in str(caught.value)
    assert {row["error"] for row in rows(Home(tmp_path).ledger)} == {"timeout"}


@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
@pytest.mark.parametrize("act", ["two-lines", "full-width", "bold", "boxed", "option"])
def test_an_answer_counts_however_it_is_stated(tmp_path: Path, act: str, teacher: str) -> None:
    asked = questions(3)
    with TeacherServer(always(act), gold=gold_of(asked)) as server:
        facts = run(tmp_path, spec_for(server, teacher), asked).facts

    assert (facts["kept"], facts["rejected"]) == (3, {})


def test_a_letter_is_a_letter_even_where_an_options_text_is_one(tmp_path: Path) -> None:
    asked = [Question("Names of cups.", "Which cup?", ("B", "C", "A"), "A")]
    with TeacherServer(gold=gold_of(asked)) as server:
        facts = run(tmp_path, spec_for(server), asked).facts

    assert facts["kept"] == 1
    assert table(tmp_path)["answer"].to_list() == ["A"]
