"""One call is one request: what a server gets is what the ledger says was sent, however a connection breaks.

Client libraries repeat requests by themselves (dashscope 2.0.2 does where a connection breaks), behind the ledger's back.
"""

from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.journal import rows
from storage.records import Message, PonensError, Question
from tasks.clients.faults import fault
from tasks.engines.interface import Loading, Request
from tasks.engines.openai import OpenAIEngine
from tasks.reason.step import ReasonSpec
from tasks.teachers.build import TeacherSpec, teacher
from tests.fakes_answers import Answer, AnswerServer, Break, chat, native, stream
from tests.tasks.asking import plant, run

THREE = stream("Each was ", "tested.\n", "Answer: A")
BREAKS: dict[str, Answer | Break] = {
    "before headers": Break("before headers"),
    "after headers": Break("after headers"),
    "in the body": Break("mid body"),
    "in the stream": Break("mid body", THREE),
    "reset": Break("reset"),
    "reset in the stream": Break("reset", THREE),
    "silence": Break("silence"),
    "500": Answer(b'{"code": "InternalError", "message": "told to"}', 500),
    "429": Answer(b'{"code": "Throttling", "message": "told to"}', 429, headers={"Retry-After": "0"}),
    "moved": Answer(b"", 308, headers={"Location": "/v2/elsewhere"}),
    "no json": Answer(b"{"),
}
TEACHERS: dict[str, tuple[dict[str, Any], Answer]] = {
    "openai": ({"teacher": "openai"}, chat()),
    "compatible": ({"teacher": "openai", "thinking": True}, chat()),
    "dashscope": ({"teacher": "dashscope"}, native()),
    "dashscope thinking": ({"teacher": "dashscope", "thinking": True}, THREE),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


def address(server: AnswerServer, name: str) -> str:
    return {"openai": server.openai_url, "compatible": server.compatible_url}.get(name, server.dashscope_url)


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("name", TEACHERS)
def test_the_server_gets_as_many_requests_as_the_ledger_has_attempts(tmp_path: Path, name: str, how: str) -> None:
    """The first is answered, so that the next goes over a connection that is open; it breaks for good."""
    settings, whole = TEACHERS[name]
    asked = [Question(f"Lamp {n} is on.", "Which?", ("red", "blue"), "A") for n in range(3)]
    with AnswerServer([whole, BREAKS[how], whole, BREAKS[how]]) as server:
        told = {"model": "m", "base_url": address(server, name), "workers": 1, "first_wait": 0.001, "timeout": 0.5}
        spec = ReasonSpec(prompt="explain", max_attempts=2, max_unanswered=1.0, **told, **settings)
        try:
            run(tmp_path, spec, asked)
        except PonensError as error:
            assert how == "moved", error

    assert server.requests >= 2
    assert server.requests == sum(row["attempts"] for row in rows(Home(tmp_path).ledger))


@pytest.mark.parametrize("how", BREAKS)
def test_an_evaluation_s_server_gets_as_many_requests_as_its_engine_counts(how: str) -> None:
    requests = [Request(str(n), "base", "", 9, messages=(Message("user", str(n)),)) for n in range(3)]
    with AnswerServer([chat(), BREAKS[how], chat(), BREAKS[how]]) as server:
        settings = {"base_url": server.openai_url, "models": {"base": "m"}, "first_wait": 0.001, "max_attempts": 2}
        engine = OpenAIEngine(Loading("m", server={**settings, "workers": 1, "timeout": 0.5}))
        with pytest.raises(PonensError):
            list(engine.generate(requests))

    assert server.requests >= 2
    assert server.requests == engine.calls


@pytest.mark.parametrize("name", ["dashscope", "dashscope thinking"])
def test_an_sdk_that_listens_for_every_error_still_sends_nothing_again(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its retry as a coming release might have it: whatever was raised, the same again."""
    from dashscope.api_entities import http_request

    def stubborn(send: Any) -> Any:
        try:
            return send()
        except Exception:
            return send()

    monkeypatch.setattr(http_request, "_send_with_retry", stubborn)
    settings, _ = TEACHERS[name]
    with AnswerServer([Break("before headers")]) as server:
        spec = TeacherSpec.model_validate({"model": "m", "base_url": server.dashscope_url, **settings})
        with pytest.raises(Exception) as caught:
            teacher(spec).invoke("Which?")

    assert 1 == server.requests
    assert fault(caught.value).retry  # type: ignore[arg-type]


def test_requests_that_wait_for_another_try_are_in_the_ledger_when_the_stage_stops(tmp_path: Path) -> None:
    asked = [Question(f"Lamp {n} is on.", "Which?", ("red", "blue"), "A") for n in range(6)]
    with AnswerServer([BREAKS["500"]] * 4 + [Answer(b'{"error": "wrong key"}', 401)]) as server:
        spec = ReasonSpec(model="m", base_url=server.openai_url, workers=1, first_wait=30.0, prompt="explain")
        with pytest.raises(PonensError, match="http 401"):
            run(tmp_path, spec, asked)

    assert 5 == server.requests == sum(row["attempts"] for row in rows(Home(tmp_path).ledger))
    assert {"http 500", "http 401"} == {row["error"] for row in rows(Home(tmp_path).ledger)}
