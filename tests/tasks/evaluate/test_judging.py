"""The judge against a local server through the real client and a real ledger."""

from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.journal import rows
from storage.records import Message, PonensError
from tasks.evaluate.judging import JudgeSpec, Pair, decide
from tasks.runtime.step import Workshop
from tests.fakes import Script, TeacherServer, first
from tests.tasks.asking import plant

pytestmark = pytest.mark.process


def pair(base: str, adapter: str) -> Pair:
    return Pair((Message("user", "Why is the sky blue?"),), "Rayleigh scattering.", base, adapter)


def place(prompt: str, before: int) -> str:
    """Prefers the answer that says Rayleigh, wherever it stands."""
    one, other = prompt.split("--- answer 1 ")[1].split("--- answer 2 ")
    return "verdict-1" if "Rayleigh" in one else "verdict-2" if "Rayleigh" in other else "unreadable"


def always_first(prompt: str, before: int) -> str:
    return "verdict-1"


PAIRS = {
    "better": pair("Because it is.", "Rayleigh."),
    "worse": pair("Rayleigh, of course.", "Because it is. So."),
    "same": pair("Rayleigh. ", "Rayleigh."),
    "neither": pair("No.", "Yes."),
}


def judged(home: Path, script: Script, pairs: dict[str, Pair] = PAIRS, **changes: Any) -> tuple[dict, dict, int]:
    with TeacherServer(script) as server:
        spec = JudgeSpec(**{"model": "m", "base_url": server.openai_url, "first_wait": 0.01, **changes})
        found, facts = decide(spec, pairs, Workshop(home, Home(home), lambda tick: None))
        return {id: one.choice for id, one in found.items()}, facts, len(server.bodies)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


def test_each_pair_is_judged_in_both_orders_and_equal_answers_are_not(tmp_path: Path) -> None:
    choices, facts, requests = judged(tmp_path, place)

    assert {"better": "second", "worse": "first", "same": "tie", "neither": None} == choices
    assert 6 == requests
    assert (1, 1, 1, 1, 1, 0) == tuple(facts[n] for n in ("base", "adapter", "tie", "unreadable", "identical", "moved"))


def test_a_judge_that_prefers_a_place_settles_nothing(tmp_path: Path) -> None:
    choices, facts, _ = judged(tmp_path, always_first)

    assert {"tie"} == set(choices.values())
    assert 3 == facts["moved"]


def test_what_was_judged_is_never_asked_again(tmp_path: Path) -> None:
    judged(tmp_path, place)
    choices, facts, requests = judged(tmp_path, always_first)

    assert 0 == requests == facts["asked"]
    assert 6 == facts["from_ledger"]
    assert "second" == choices["better"]


def test_a_judge_that_fails_loses_nothing_and_says_how_many_are_missing(tmp_path: Path) -> None:
    def down_for_one(prompt: str, before: int) -> str:
        return "500" if "Because it is." in prompt.split("--- answer 1 ")[1].split("---")[0] else place(prompt, before)

    with pytest.raises(PonensError, match="2 of 6 judgements"):
        judged(tmp_path, down_for_one, max_attempts=2)
    kept = sum(1 for row in rows(Home(tmp_path).ledger) if row["outcome"] == "answered")
    choices, _, requests = judged(tmp_path, place)

    assert (4, 2) == (kept, requests)
    assert "second" == choices["better"]


def test_a_fault_that_passes_is_tried_again(tmp_path: Path) -> None:
    choices, _, requests = judged(tmp_path, first("429", "500", then="verdict-tie"), {"one": PAIRS["better"]})

    assert {"one": "tie"} == choices
    assert 6 == requests


def test_a_reply_that_was_cut_or_refused_states_nothing(tmp_path: Path) -> None:
    for number, act in enumerate(("length", "refusal", "filtered")):
        choices, facts, _ = judged(
            tmp_path / str(number), lambda prompt, before, act=act: act, {"one": PAIRS["better"]}
        )

        assert {"one": None} == choices
        assert 1 == facts["unreadable"]


def test_an_answer_that_cannot_be_shown_to_a_judge_is_an_error_and_the_others_are_judged(tmp_path: Path) -> None:
    half = pair("Rayleigh.", "half of an emoji: \ud83d")
    choices, facts, requests = judged(tmp_path, place, {"half": half, "better": PAIRS["better"]})

    assert {"half": None, "better": "second"} == choices
    assert (1, 0, 0, 2) == (facts["errors"], facts["unreadable"], facts["identical"], requests)
