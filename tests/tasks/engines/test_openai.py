"""evaluate against a local OpenAI-compatible server, through the real client in a real child process."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from storage.artifacts import write_json
from storage.home import Home
from storage.records import Message, PonensError, Question, Receipt, UsageError
from storage.tables.questions import write
from storage.tables.samples import SAMPLES
from tasks.engines.interface import Loading, Request
from tasks.engines.openai import OpenAIEngine
from tasks.engines.openai_spec import ServerSpec
from tasks.evaluate.candidates import Candidate
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.step import step
from tasks.runtime.step import run_step
from tests.fakes import TeacherServer, always, first, mix
from tests.tasks.asking import everything

KEY = "sk-planted-0123456789abcdef"
QUESTIONS = [Question(f"Lamp {n} is red.", "Colour?", ("red", "blue"), "A", split="test") for n in range(12)]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def engine(server: TeacherServer, **settings: Any) -> OpenAIEngine:
    told = {"base_url": server.openai_url, "models": {"base": "m", "logic/1": "lora-1"}, "first_wait": 0.01} | settings
    return OpenAIEngine(Loading("m", server=told))


def request(text: str, **how: Any) -> Request:
    return Request(**{"key": text, "subject": "base", "prompt": "", "max_tokens": 9, "messages": (Message("user", text),)} | how)  # fmt: skip


def test_each_subject_is_asked_under_the_server_s_own_name_and_greedily_without_a_seed() -> None:
    with TeacherServer() as server:
        done = list(engine(server).generate([request("a"), request("b", subject="logic/1", temperature=0.7, seed=5)]))

    bodies = {b["messages"][0]["content"]: b for b in server.bodies}
    assert {"a", "b"} == {c.key for c in done}
    assert ("m", 0.0, 9) == tuple(bodies["a"][x] for x in ("model", "temperature", "max_tokens"))
    assert "seed" not in bodies["a"]
    assert ("lora-1", 0.7, 5) == tuple(bodies["b"][x] for x in ("model", "temperature", "seed"))
    assert all("logprobs" not in b for b in server.bodies)


def test_log_probabilities_are_asked_for_only_where_they_are_wanted() -> None:
    with TeacherServer() as server:
        (plain,) = engine(server).generate([request("a")])
        (wanted,) = engine(server, logprobs=True).generate([request("a")])

    assert (None, -0.5) == (plain.logprob, wanted.logprob)


def test_faults_that_pass_are_tried_again() -> None:
    with TeacherServer(first("429", "500", "reset", "torn", "no-list", "drop")) as server:
        (done,) = engine(server).generate([request("a")])

    assert 7 == server.asked["a"]
    assert "Answer: A" in done.text


@pytest.mark.parametrize(
    ("act", "finish"), [("overflow", "overflow"), ("filtered", "refused"), ("refusal", "refused"), ("length", "length")]
)
def test_what_a_server_cannot_give_is_an_outcome(act: str, finish: str) -> None:
    with TeacherServer(always(act)) as server:
        (done,) = engine(server).generate([request("a")])

    assert finish == done.finish
    assert 1 == server.asked["a"]


def test_one_reply_that_is_not_to_be_had_leaves_the_others_and_is_an_error_at_the_end() -> None:
    with TeacherServer(lambda prompt, before: "500" if prompt == "3" else "right") as server:
        found = []
        with pytest.raises(PonensError, match="1 replies were not to be had"):
            found += [c.key for c in _each(engine(server, max_attempts=2).generate([request(str(n)) for n in range(9)]), found)]  # fmt: skip

    assert {str(n) for n in range(9)} - {"3"} == set(found)
    assert 2 == server.asked["3"]


def _each(completions: Any, found: list[str]) -> Any:
    for completion in completions:
        found.append(completion.key)
        yield completion


def test_a_wrong_key_stops_all_at_once_and_is_not_repeated_to_anyone() -> None:
    with TeacherServer(key="another") as server, pytest.raises(PonensError, match="http 401") as caught:
        list(engine(server, workers=2).generate([request(str(n)) for n in range(40)]))

    assert sum(server.asked.values()) <= 4
    assert KEY not in str(caught.value)


def test_a_server_that_is_down_ends_the_evaluation_before_every_question_was_tried() -> None:
    with TeacherServer(always("500")) as server, pytest.raises(PonensError, match="not to be had"):
        list(engine(server, max_attempts=1, workers=4).generate([request(str(n)) for n in range(200)]))

    assert sum(server.asked.values()) < 40


def test_no_more_requests_are_in_flight_than_workers() -> None:
    with TeacherServer(delay=0.02) as server:
        list(engine(server, workers=3).generate([request(str(n)) for n in range(30)]))

    assert 3 >= server.most_open


def test_an_address_with_a_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="without credentials"):
        ServerSpec(base_url="http://me:secret@host/v1")


# --- the whole step -------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    (home.root / "artifacts" / "q").mkdir(parents=True)
    write(home.root / "artifacts" / "q", QUESTIONS, lambda group: "test")
    for number in ("1", "2"):
        write_json(home.adapters / "logic" / number / "adapter.json", {})
    return home


def evaluated(home: Home, at: TeacherServer, *, votes: int = 3, **how: Any) -> tuple[dict[str, Any], pl.DataFrame]:
    server = {"base_url": at.openai_url, "models": {"base": "m"}, "first_wait": 0.01, "workers": 4, **how}
    spec = EvaluateSpec(engine="openai", votes=votes, server=ServerSpec.model_validate(server))
    adapters = [Candidate(f"logic/{n}", f"adapters/logic/{n}", n) for n in "12"]
    questions = Receipt("parse", "k", "d", "artifacts/q", {}, {}, 0.0, "")
    made, _ = run_step(step(spec, SimpleNamespace(base_model="org/m", revision=None), questions, *adapters), home)
    return dict(made.facts), pl.read_parquet(home.root / made.artifact / SAMPLES)


@pytest.mark.process
def test_a_base_and_two_adapters_are_compared_on_one_server_and_the_key_is_nowhere(home: Home) -> None:
    with TeacherServer(mix({"wrong": 0.2, "429": 0.2, "500": 0.1}), gold={}) as server:
        facts, samples = evaluated(home, server)

    assert {"m", "logic/1", "logic/2"} == {b["model"] for b in server.bodies}
    assert 3 * len(QUESTIONS) * (3 + 1) == len(samples)
    assert ["logic/2", "vote of logic/1+logic/2"] == list(facts["others"])
    assert 6 * len(QUESTIONS) == facts["others"]["vote of logic/1+logic/2"]["samples"]
    assert facts["adapter"]["forced_accuracy"] is None
    assert 3 == facts["paired"]["comparisons"]
    assert KEY not in everything(home.root)
    assert json.dumps(facts)


@pytest.mark.process
def test_a_server_that_fails_half_way_is_asked_only_for_the_rest_and_more_votes_only_for_the_new(home: Home) -> None:
    def breaks(prompt: str, before: int) -> str:
        return "500" if "Lamp 7" in prompt else "right"

    with TeacherServer(breaks) as server, pytest.raises(PonensError, match="not to be had"):
        evaluated(home, server, max_attempts=1)
    with TeacherServer(port=int(server.url.rsplit(":", 1)[1])) as again:
        evaluated(home, again)
        seen = sum(again.asked.values())
        evaluated(home, again, votes=5)

    assert 3 * (3 + 1) == seen
    assert 3 * len(QUESTIONS) * 2 == sum(again.asked.values()) - seen


def test_a_key_that_is_not_there_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with TeacherServer() as server, pytest.raises(UsageError, match="OPENAI_API_KEY"):
        evaluated(home, server)
