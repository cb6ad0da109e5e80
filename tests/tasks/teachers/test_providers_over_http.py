"""Each provider's client against the local server: what is sent, and what is read out of the reply."""

import logging
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from storage.ledger import Tokens
from tasks.clients.faults import Fault, TeacherError, fault
from tasks.clients.reply import Reply, extract
from tasks.clients.secrets import redact
from tasks.clients.usage import settle
from tasks.teachers.build import TeacherSpec, teacher
from tests.fakes import TeacherServer, always
from tests.tasks.asking import run, spec_for
from tests.tasks.runs import questions

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)


def ask(server: TeacherServer, name: str, **settings: Any) -> Reply:
    url = server.openai_url if name == "openai" else server.dashscope_url
    chosen = TeacherSpec.model_validate({"teacher": name, "model": "qwen-max", "base_url": url, **settings})
    return extract(teacher(chosen).invoke([HumanMessage("Which?\nThe key is C")]))


@pytest.mark.parametrize("name", ["openai", "dashscope"])
def test_a_reply_comes_with_its_reasoning_finish_and_tokens(name: str) -> None:
    with TeacherServer(always("thinking"), key=KEY) as server:
        reply = ask(server, name)

    assert reply.text.endswith("Answer: C")
    assert reply.reasoning == "Hm. Let me see."
    assert reply.finish == "stop"
    assert reply.outcome == "answered"
    assert settle(reply.usage, 4, 9) == (Tokens(sent=4, out=len(reply.text) // 4 + 7, reasoning=7, cached=3), False)


def test_dashscope_speaks_its_native_protocol() -> None:
    with TeacherServer() as server:
        ask(server, "dashscope", temperature=0.3, top_p=0.8, max_tokens=77)

    sent = server.bodies[0]
    assert sent["input"] == {"messages": [{"role": "user", "content": "Which?\nThe key is C"}]}
    expected = {
        "result_format": "message",
        "temperature": 0.3,
        "top_p": 0.8,
        "max_tokens": 77,
    }
    assert {name: sent["parameters"].get(name) for name in expected} == expected
    assert "enable_thinking" not in sent["parameters"]


def test_dashscope_streams_when_it_thinks() -> None:
    with TeacherServer(always("thinking")) as server:
        reply = ask(server, "dashscope", thinking=True, thinking_budget=99)

    sent = server.bodies[0]["parameters"]
    assert (sent["enable_thinking"], sent["thinking_budget"], sent["incremental_output"]) == (True, 99, True)
    assert reply.text.endswith("Answer: C")
    assert (reply.reasoning, reply.finish, reply.usage.reasoning) == ("Hm. Let me see.", "stop", 7)


def test_the_address_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with TeacherServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", server.dashscope_url)
        for name in ("openai", "dashscope"):
            ask(server, name, base_url=None)

    assert len(server.bodies) == 2


@pytest.mark.parametrize("name", ["openai", "dashscope"])
@pytest.mark.parametrize("act", ["500", "drop", "reset", "429-after", "torn"])
def test_a_client_asks_once_and_leaves_trying_again_to_the_pool(
    name: str, act: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with TeacherServer(always(act), retry_after=7) as server, pytest.raises(Exception) as caught:
        ask(server, name)
    why = fault(caught.value)  # type: ignore[arg-type]

    assert sum(server.asked.values()) == 1
    assert why.retry
    assert why.retry_after == (7.0 if act == "429-after" else None)
    assert caplog.text == ""


@pytest.mark.parametrize("name", ["openai", "dashscope"])
def test_a_slow_server_is_a_timeout(name: str) -> None:
    with TeacherServer(delay=2) as server, pytest.raises(Exception) as caught:
        ask(server, name, timeout=0.3)

    assert fault(caught.value).error == "timeout"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "InvalidParameter", Fault("http 400", "")),
        (400, "DataInspectionFailed", Fault("filtered", "", refused=True)),
        (400, "Arrearage", Fault("http 400", "", stop=True)),
        (401, "InvalidApiKey", Fault("http 401", "", stop=True)),
        (403, "AccessDenied", Fault("http 403", "", stop=True)),
        (404, "ModelNotFound", Fault("http 404", "", stop=True)),
        (408, "", Fault("http 408", "", retry=True)),
        (409, "", Fault("http 409", "", retry=True)),
        (425, "", Fault("http 425", "", retry=True)),
        (429, "Throttling.RateQuota", Fault("http 429", "", retry=True)),
        (429, "Throttling.AllocationQuota", Fault("http 429", "", retry=True)),
        (429, "insufficient_quota", Fault("http 429", "", retry=True)),
        (500, "", Fault("http 500", "", retry=True)),
        (529, "", Fault("http 529", "", retry=True)),
    ],
)
def test_what_a_status_means(status: int, code: str, expected: Fault) -> None:
    found = fault(TeacherError("told", status=status, code=code))

    assert (found.error, found.retry, found.refused, found.stop) == (
        expected.error, expected.retry, expected.refused, expected.stop,
    )  # fmt: skip


def test_retry_after_may_be_a_date() -> None:
    found = fault(TeacherError("wait", status=429, headers={"retry-after": "Wed, 01 Jan 2200 00:00:00 GMT"}))
    past = fault(TeacherError("wait", status=429, headers={"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}))

    assert found.retry_after is not None
    assert found.retry_after > 1e9
    assert past.retry_after == 0


def test_a_date_is_held_against_the_server_s_clock_and_not_against_ours() -> None:
    headers = {"Date": "Wed, 01 Jan 2200 00:00:00 GMT", "Retry-After": "Wed, 01 Jan 2200 00:00:07 GMT"}

    assert 7.0 == fault(TeacherError("wait", status=429, headers=headers)).retry_after


def test_an_error_of_ours_is_not_taken_for_the_teachers() -> None:
    with pytest.raises(RuntimeError):
        fault(RuntimeError("a bug"))


@pytest.mark.parametrize("url", ["http://me:pass@host/v1", "http://host/v1?api_key=x", "https://h/v1?access-token=y"])
def test_an_address_with_a_key_in_it_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="keys go into the environment"):
        TeacherSpec(base_url=url)
    assert TeacherSpec(base_url="http://host/v1?api-version=2").base_url


@pytest.mark.parametrize("name", ["openai", "dashscope"])
def test_each_sample_has_a_seed_of_its_own_if_the_recipe_sets_one(tmp_path: Path, name: str) -> None:
    seeds = []
    with TeacherServer() as server:
        for settings in ({}, {"seed": 3}, {"seed": 3, "again": True}, {"seed": 4}):
            home = tmp_path / str(len(seeds))
            run(home, spec_for(server, name, samples=3, workers=1, **settings), questions(1))
            bodies, server.bodies = server.bodies, []
            seeds.append([body.get("parameters", body).get("seed") for body in bodies])

    assert seeds[0] == [None] * 3
    assert len({*seeds[1], *seeds[3]}) == 6
    assert seeds[1] == seeds[2]


def test_keys_are_taken_out_of_texts() -> None:
    teacher(TeacherSpec(model="m"), lambda variable: "a-plain-word").close()

    assert redact("the key a-plain-word is wrong") == "the key *** is wrong"
    teacher(TeacherSpec(model="m")).close()
    assert (
        redact(f"Incorrect key {KEY}, Bearer abcdefghij, sk-abcd...wxyz12") == "Incorrect key ***, Bearer ***, sk-***"
    )
    assert redact("ask-me task-force") == "ask-me task-force"
