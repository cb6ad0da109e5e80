"""Models beside the base: named by a prefix, paid for through the ledger, limited, and compared as adapters are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage.home import Home
from storage.ledger import Ledger
from storage.records import PonensError, Question, Receipt, UsageError
from tasks.evaluate import paid
from tasks.evaluate.generation import Decoding
from tasks.evaluate.paid import ApiSpec
from tasks.evaluate.rivals import is_rival, rival
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.step import outlook, step
from tasks.kinds.asks import Ask
from tasks.kinds.choice import ask
from tasks.runtime.step import Workshop
from tests.fakes import TeacherServer
from tests.tasks.asking import plant

QUESTIONS = [Question(f"Lamp {n} is red.", "Colour?", ("red", "blue"), "A", split="test") for n in range(12)]
ASKS = [ask(question, forced=False) for question in QUESTIONS]
MODEL, OTHER = rival("openai:m"), rival("openai:n")
PRICES: Any = {"m": {"in": 1.0, "out": 10.0}, "n": {"in": 2.0, "out": 20.0}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TeacherServer]:
    plant(monkeypatch)
    with TeacherServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        yield server


def how(votes: int = 2, **more: Any) -> Decoding:
    return Decoding(votes, 0.7, 1.0, 64, 0, **more)


def drawn(home: Path, decoding: Decoding, *models: Any, asks: list[Ask] = ASKS, **terms: Any) -> tuple[list, dict]:
    spec = ApiSpec(**{"prices": PRICES, "first_wait": 0.01, "workers": 4, **terms})
    return paid.draw(models or [MODEL], spec, asks, decoding, Workshop(home, Home(home), lambda tick: None))


@pytest.mark.parametrize(
    ("named", "provider", "model", "revision"),
    [
        ("openai:qwen-max", "openai", "qwen-max", None),
        ("openai:ft:gpt:org::id", "openai", "ft:gpt:org::id", None),
        ("dashscope:qwen-plus", "dashscope", "qwen-plus", None),
        ("hub:Qwen/Qwen2.5-7B", None, "Qwen/Qwen2.5-7B", None),
        ("hub:Qwen/Qwen2.5-7B@abc", None, "Qwen/Qwen2.5-7B", "abc"),
    ],
)
def test_a_prefix_says_whose_model_it_is(named: str, provider: str | None, model: str, revision: str | None) -> None:
    one = rival(named)

    assert (provider, model, revision) == (one.provider, one.model, one.revision)
    assert is_rival(named) and not is_rival("logic/3") and not is_rival("logic@champion")


@pytest.mark.parametrize("named", ["opena:gpt", "vllm:org/m", "embedded:x", "openai:", "hub: ", "http://host/v1"])
def test_an_unknown_prefix_or_no_name_is_refused_with_those_that_are_known(named: str) -> None:
    with pytest.raises(UsageError, match="openai:MODEL, dashscope:MODEL, hub:MODEL, or an adapter"):
        EvaluateSpec(models=[named])


def test_a_model_that_is_named_twice_is_refused_and_so_are_weights_of_votes_that_no_api_gives() -> None:
    with pytest.raises(ValueError, match="named twice"):
        EvaluateSpec(models=["openai:m", "openai:m"])
    with pytest.raises(ValueError, match="log-probabilities"):
        EvaluateSpec(models=["openai:m"], weighting="logprob")


def test_every_reply_is_paid_for_once_and_its_cost_is_told_each_time(server: TeacherServer, tmp_path: Path) -> None:
    replies, told = drawn(tmp_path, how(), MODEL, OTHER)
    again = drawn(tmp_path, how(), MODEL, OTHER)

    assert 2 * 12 * 3 == len(replies) == len(server.bodies)
    assert replies == again[0]
    assert [-1, 0, 1] == [r.index for r in replies if r.subject == "openai:m"][:3]
    assert (36, 0) == tuple(told["openai:m"][name] for name in ("asked", "from_ledger"))
    assert (0, 36) == tuple(again[1]["openai:m"][name] for name in ("asked", "from_ledger"))
    tokens = told["openai:m"]["tokens"]
    assert pytest.approx((tokens["in"] + 10 * tokens["out"]) / 1e6, rel=1e-3) == told["openai:m"]["cost"]
    assert pytest.approx(2 * told["openai:m"]["cost"], rel=1e-3) == again[1]["openai:n"]["cost"]


def test_greedy_is_asked_without_temperature_and_each_vote_with_a_seed_of_its_own(
    server: TeacherServer, tmp_path: Path
) -> None:
    drawn(tmp_path, how(votes=3), asks=ASKS[:1])

    assert [0.0, 0.7, 0.7, 0.7] == sorted(body["temperature"] for body in server.bodies)
    assert 3 == len({body["seed"] for body in server.bodies if body["temperature"]})


def test_a_limit_stops_before_it_is_passed_and_more_goes_on_from_there(server: TeacherServer, tmp_path: Path) -> None:
    with pytest.raises(PonensError, match="26 of 36 replies of openai:m are missing") as caught:
        drawn_in_one(tmp_path, max_requests=10)
    assert "[evaluate.api] max_requests = 10 is reached" in str(caught.value)
    drawn_in_one(tmp_path, max_requests=26)

    assert 36 == len(server.bodies)


def drawn_in_one(home: Path, **terms: Any) -> tuple[list, dict]:
    """Votes alone, so that one go asks for all."""
    return drawn(home, how(votes=3), asks=[replace(one, greedy=False) for one in ASKS], **terms)


def test_one_limit_of_cost_is_for_all_models_together(server: TeacherServer, tmp_path: Path) -> None:
    cost = drawn(tmp_path / "a", how())[1]["openai:m"]["cost"]

    with pytest.raises(PonensError, match="replies of openai:n are missing"):
        drawn(tmp_path / "b", how(), MODEL, OTHER, max_cost=1.5 * cost, workers=1)


def test_an_estimate_counts_what_would_be_asked_and_knows_what_was(server: TeacherServer, tmp_path: Path) -> None:
    terms = ApiSpec(prices=PRICES)
    with Ledger(Home(tmp_path)) as ledger:
        before = paid.estimate([MODEL, rival("hub:a/b")], terms, ASKS, how(), ledger)
    drawn(tmp_path, how())
    with Ledger(Home(tmp_path)) as ledger:
        after = paid.estimate([MODEL, rival("openai:unpriced")], terms, ASKS, how(), ledger)

    assert ["openai:m"] == list(before), "weights cost nothing"
    assert (36, 0) == (before["openai:m"]["asked"], before["openai:m"]["from_ledger"])
    assert 0 < before["openai:m"]["cost"]
    assert (0, 36, 0.0) == tuple(after["openai:m"][name] for name in ("asked", "from_ledger", "cost"))
    assert after["openai:unpriced"]["cost"] is None


def test_early_stopping_spares_votes_that_change_nothing(server: TeacherServer, tmp_path: Path) -> None:
    replies, _ = drawn(tmp_path, how(votes=5, adaptive="exact"))

    assert 12 * (1 + 3) == len(replies) == len(server.bodies)


def test_a_key_that_is_not_there_and_a_price_that_a_limit_needs_are_seen_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    seen = list(outlook(EvaluateSpec(models=["openai:m"]), "choice", None, Home(tmp_path), lambda name: None))
    priceless = EvaluateSpec(models=["openai:x"], api=ApiSpec(max_cost=1.0))

    assert "OPENAI_API_KEY is not set" in str(seen[0][1])
    with pytest.raises(UsageError, match=r'\[evaluate.api.prices."x"\]'):
        step(priceless, SimpleNamespace(base_model="org/m", revision=None), Receipt("parse", "", "", "", {}, {}, 0, ""))
