"""Other people's servers: what of their answers is a reply, what it cost, and what is said where it is none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evals.report import rationales_page
from storage.home import Home
from storage.journal import rows
from storage.ledger import Tokens
from storage.records import PonensError, Question
from tasks.clients.body import text_of
from tasks.clients.reply import ending, text_in, thought_in
from tasks.clients.usage import Usage, read, settle
from tasks.reason.step import ReasonSpec
from tasks.runtime.step import Result
from tests.fakes_answers import Answer, AnswerServer, Break, chat, native, stream
from tests.tasks.asking import plant, run, table

WHOLE = "Each was tested.\nAnswer: A"
BEARER = "The flag bearer stands first, and the torch bearer carries light.\nAnswer: A"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


def asked(count: int = 1) -> list[Question]:
    return [Question(f"Lamp {n} is on.", "Which?", ("red", "blue"), "A") for n in range(count)]


def ask(home: Path, server: AnswerServer, teacher: str = "openai", count: int = 1, **settings: Any) -> Result:
    urls = {"openai": server.openai_url, "dashscope": server.dashscope_url, "compatible": server.compatible_url}
    told = {"model": "m", "workers": 2, "first_wait": 0.001, "prompt": "explain", "max_attempts": 3}
    told |= {"base_url": urls[teacher], **settings}
    spec = ReasonSpec(teacher="dashscope" if teacher == "dashscope" else "openai", **told)
    return run(home, spec, asked(count))


def ledger(home: Path) -> list[dict[str, Any]]:
    return list(rows(Home(home).ledger))


# --- what is a whole reply ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("whole", ("stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE")),
        ("whole", ("FinishReason.STOP", "FINISH_REASON_STOP", "end-turn")),
        ("cut", ("length", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens")),
        ("refused", ("content_filter", "content-filter", "sensitive", "SAFETY", "refusal")),
        ("refused", ("blocklist", "PROHIBITED_CONTENT", "SPII", "guardrail_intervened")),
        (
            None,
            ("abort", "error", "insufficient_system_resource", "network_error", "tool_calls", "function_call", "ha"),
        ),
    ],
)
def test_a_server_s_word_for_the_end_decides(expected: str | None, words: Sequence[str]) -> None:
    assert {expected} == {ending(word, Usage(out=5)) for word in words}


def test_no_word_for_the_end_is_an_end_only_where_tokens_are_billed() -> None:
    assert ("whole", "whole", "whole", None) == (
        ending("", Usage(out=5)), ending("null", Usage(out=5)), ending("None", Usage(out=5)), ending("null", Usage()),
    )  # fmt: skip


@pytest.mark.parametrize("word", ["abort", "insufficient_system_resource", "what_is_this"])
def test_a_reply_that_broke_off_is_asked_again_and_told_and_never_kept(
    tmp_path: Path, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    with AnswerServer([chat(text="Half a thou", finish_reason=word), chat()]) as server:
        ask(tmp_path, server)

    assert [WHOLE] == table(tmp_path)["text"].to_list()
    assert [("failed", "unfinished reply", "Half a thou"), ("answered", "", WHOLE)] == [
        (row["outcome"], row["error"], row["text"]) for row in ledger(tmp_path)
    ]
    assert word in caplog.text


@pytest.mark.parametrize("text", ["Fehler: Gr\ufffdße.\nAnswer: A", "half \ud83d of it.\nAnswer: A"])
@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
def test_a_reply_with_half_a_character_is_asked_again_and_never_kept(tmp_path: Path, text: str, teacher: str) -> None:
    if teacher == "openai":
        answers = [chat(text=text), chat()]
    else:
        said = {"role": "assistant", "content": text}
        answers = [native({"choices": [{"finish_reason": "stop", "message": said}]}), native()]
    with AnswerServer(answers) as server:
        ask(tmp_path, server, teacher)

    assert [WHOLE] == table(tmp_path)["text"].to_list()
    assert 2 == server.requests


@pytest.mark.parametrize("message", [
    {"content": None, "refusal": "I will not say."},
    {"content": [{"type": "refusal", "refusal": "I will not say."}]},
])  # fmt: skip
def test_a_refusal_is_an_outcome_asked_for_once_and_its_words_stay(tmp_path: Path, message: dict[str, Any]) -> None:
    with AnswerServer([chat(message=message)]) as server:
        facts = ask(tmp_path, server, prices={"m": {"in": 1, "out": 1}}).facts
        again = ask(tmp_path, server).facts

    assert {"refused": 1} == facts["rejected"] == again["rejected"]
    assert [("refused", "I will not say.", 4.9e-05)] == [(r["outcome"], r["text"], r["cost"]) for r in ledger(tmp_path)]
    assert 1 == server.requests


@pytest.mark.parametrize(
    ("text", "thought", "message"),
    [
        ("B", "", {"content": "B"}),
        ("B", "", {"content": [{"type": "text", "text": "B"}]}),
        ("B", "", {"content": [{"text": "B"}]}),
        ("B", "", {"content": {"type": "text", "text": "B"}}),
        ("so B", "", {"content": ["so ", "B"]}),
        ("", "", {"content": None}),
        ("B", "hm", {"content": "B", "reasoning_content": "hm"}),
        ("B", "hm", {"content": "B", "reasoning": "hm"}),
        ("B", "hm", {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "B"}]}),
    ],
)  # fmt: skip
def test_content_may_be_parts(text: str, thought: str, message: dict[str, Any]) -> None:
    assert (text, thought) == (text_in(message), thought_in(message))


@pytest.mark.parametrize("output", [
    {"text": WHOLE, "finish_reason": "stop", "choices": None},
    {"text": WHOLE, "finish_reason": "null"},
    {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": [{"text": WHOLE}]}}]},
])  # fmt: skip
def test_dashscope_s_other_forms_are_taken_at_once(tmp_path: Path, output: dict[str, Any]) -> None:
    with AnswerServer([native(output)]) as server:
        facts = ask(tmp_path, server, "dashscope").facts

    assert (1, 1, WHOLE) == (facts["kept"], server.requests, table(tmp_path)["text"][0])


def test_a_reply_is_evidence_and_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    text = f"It is no secret that sk-lamps-are-red-0123. {BEARER}"
    with AnswerServer([chat(text=text, message={"reasoning_content": text})]) as server:
        ask(tmp_path, server)

    assert (text, text) == (table(tmp_path)["text"][0], ledger(tmp_path)[0]["reasoning"])


# --- what it cost ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "estimated", "told"),
    [
        (Tokens(40, 9), False, {"prompt_tokens": 40, "completion_tokens": 9}),
        (Tokens(40, 9, 4, 3), False, {"input_tokens": 40, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4}, "prompt_tokens_details": {"cached_tokens": 3}}),
        (Tokens(40, 9, 4), False, {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 49, "completion_tokens_details": {"reasoning_tokens": 4}}),
        (Tokens(40, 9, 0, 40), False, {"prompt_tokens": 40, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 99}}),
        (Tokens(40, 9), False, {"prompt_tokens": 40, "total_tokens": 49}),
        (Tokens(40, 9), False, {"completion_tokens": 9, "prompt_tokens": 0, "total_tokens": 49}),
        (Tokens(80, 40), True, {"total_tokens": 120}),
        (Tokens(20, 9), True, {"completion_tokens": 9}),
        (Tokens(40, 10), True, {"prompt_tokens": 40, "completion_tokens": 0}),
        (Tokens(20, 10), True, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
        (Tokens(20, 10), True, {"prompt_tokens": -1, "completion_tokens": "many"}),
        (Tokens(20, 10), True, None),
        (Tokens(20, 10), True, []),
    ],
)  # fmt: skip
def test_tokens_are_what_the_server_says_and_the_rest_is_an_estimate(
    tokens: Tokens, estimated: bool, told: object
) -> None:
    assert (tokens, estimated) == settle(read(told), sent=20, out=10)


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 0, "completion_tokens": 0}, {"total_tokens": 0}])
def test_without_counts_the_cost_is_unknown_and_max_cost_holds_against_the_estimate(
    tmp_path: Path, usage: dict[str, int] | None
) -> None:
    settings = {"prices": {"m": {"in": 1000, "out": 1000}}, "max_cost": 1.0, "workers": 1}
    with AnswerServer([chat(usage=usage)]) as server, pytest.raises(PonensError, match="max_cost") as caught:
        ask(tmp_path, server, count=240, **settings)

    assert server.requests < 20
    assert "cost unknown" in str(caught.value)
    assert {(True, None)} == {(row["estimated"], row["cost"]) for row in ledger(tmp_path)}
    assert all(row["tokens"]["in"] > 20 and row["tokens"]["out"] > 3 for row in ledger(tmp_path))


def test_one_reply_without_counts_makes_the_whole_cost_unknown_and_is_told(tmp_path: Path) -> None:
    with AnswerServer([chat(), chat(usage=None), chat()]) as server:
        facts = ask(tmp_path, server, count=4, prices={"m": {"in": 1, "out": 1}}, workers=1).facts

    assert (None, 1) == (facts["cost"], facts["tokens_estimated"])
    assert (None, 1) == (facts["total"]["cost"], facts["total"]["estimated"])
    assert "tokens of 1 reply are an estimate" in rationales_page.markdown(facts["rationales"], [])
    assert "tokens of 1 reply are an estimate" in rationales_page.page(facts["rationales"], [])


# --- what is said where there is no reply ---------------------------------------------------------------------------

PAGE = "<!DOCTYPE html><html><head><title>网关错误 502</title></head><body>x</body></html>"
ERRORS: list[tuple[str, str, Answer]] = [
    ("cannot pay", "1113 account is in arrears", Answer(b'{"code":1113,"msg":"1113 account is in arrears"}')),
    ("cannot pay", "insufficient balance", Answer(b'{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}')),
    ("cannot pay", "no balance", Answer(b'{"ret":-1,"errmsg":"no balance"}')),
    ("cannot pay", "Insufficient credits", Answer(b'{"error":{"message":"Insufficient credits","code":402}}')),
    ("set the key", "400: API key not valid", Answer(b'[{"error":{"code":400,"message":"API key not valid. Pass a valid one."}}]', 400)),
    ("set the key", "Model.AccessDenied", Answer(b'{"code":"Model.AccessDenied","message":"no access"}', 400)),
    ("cannot pay", "欠费", Answer('{"error":{"code":"Arrearage","message":"账户欠费"}}'.encode(), 400)),
    ("a name that this server knows", "Model Not Exist", Answer(b'{"error":{"message":"Model Not Exist","type":"invalid_request_error"}}', 400)),
    ("set the key", "invalid api key", Answer(b'{"error":"invalid api key"}')),
    ("a login may stand between", "a web page: 网关错误 502", Answer(PAGE.encode())),
    ("a login may stand between", "a web page: 网关错误 502", Answer(PAGE.encode("gbk"), kind="text/html")),
    ("fails by itself", "网关错误 502", Answer(PAGE.encode("gbk"), 502, "text/html")),
    ("fails by itself", "系统繁忙", Answer('{"code":"x","message":"系统繁忙"}'.encode("gbk"), 500)),
    ("speaks the teacher's protocol", "not UTF-8: 服务不可用", Answer("服务不可用".encode("gbk"), kind="text/plain")),
    ("does not take such a request", "body.seed: not permitted", Answer(b'{"detail":[{"loc":["body","seed"],"msg":"not permitted"}]}', 422)),
    ("ask fewer at once", "qps request limit reached", Answer(b'{"error_code":18,"error_msg":"qps request limit reached"}')),
    ("set base_url to it", "https://elsewhere/v1", Answer(b"", 308, headers={"Location": "https://elsewhere/v1"})),
]  # fmt: skip


@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
@pytest.mark.parametrize(("hint", "words", "answer"), ERRORS, ids=lambda x: x if isinstance(x, str) else "")
def test_an_error_says_why_the_teacher_did_not_answer_and_what_to_do(
    tmp_path: Path, hint: str, words: str, answer: Answer, teacher: str
) -> None:
    with AnswerServer([answer]) as server, pytest.raises(PonensError) as caught:
        ask(tmp_path, server, teacher, count=2)

    assert words in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        ("thinking = true is missing", "The value of the enable_thinking parameter is restricted to True."),
        ("thinking = true is missing", "This model only support stream mode, please enable the stream parameter"),
        ("set thinking = false", "parameter.enable_thinking must be set to false for non-streaming calls"),
        ("leave thinking away", "Unrecognized request argument supplied: enable_thinking"),
    ],
)
def test_a_model_s_way_to_think_is_told_once(tmp_path: Path, hint: str, message: str) -> None:
    body = json.dumps({"code": "InvalidParameter", "message": message}).encode()
    with AnswerServer([Answer(body, 400)]) as server, pytest.raises(PonensError, match=hint):
        ask(tmp_path, server, "dashscope", count=40)

    assert server.requests <= 2  # one a worker
    assert all("enable_thinking" not in body["parameters"] for body in server.bodies)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Throttling.RateQuota", "http 429"),
        ("InternalError.Algo", "http 500"),
        ("ServiceUnavailable", "http 500"),
        ("RequestTimeOut", "http 500"),
    ],
)
def test_a_thinking_stream_that_breaks_is_asked_again_by_its_code(
    tmp_path: Path, code: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = stream("Each ", error=(code, "told to"))
    with AnswerServer([broken, stream("Each was ", "tested.\nAnswer: A")]) as server:
        facts = ask(tmp_path, server, "dashscope", thinking=True).facts

    assert (1, 2) == (facts["kept"], server.requests)
    assert f"{error}: 400 {code}: told to" in caplog.text


def test_dashscope_s_minute_limit_is_no_empty_account(tmp_path: Path) -> None:
    said = {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}
    limit = Answer(json.dumps({"error": said}).encode(), 429)
    with AnswerServer([limit, chat()]) as server:
        assert 1 == ask(tmp_path / "a", server, "compatible").facts["kept"]
    with AnswerServer([limit]) as server, pytest.raises(PonensError, match="its quota is used up"):
        ask(tmp_path / "b", server, "openai")
    told = said | {"message": "You exceeded your current quota. See https://help.aliyun.com/model-studio"}
    with AnswerServer([Answer(json.dumps({"error": told}).encode(), 429), chat()]) as server:
        assert 1 == ask(tmp_path / "c", server, "openai").facts["kept"], "behind a gateway its words say whose it is"


@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
@pytest.mark.parametrize("url", [None, "http://no-such-host.invalid/v1", "no.scheme/v1"])
def test_an_address_where_nobody_is_stops_the_stage_at_once_and_is_named(
    tmp_path: Path, teacher: str, url: str | None
) -> None:
    with AnswerServer([]) as server:
        address = url or server.url
    settings = {"base_url": address, "max_attempts": 12, "first_wait": 0.5}
    with pytest.raises(PonensError, match="no teacher is to be reached") as caught:
        ask(tmp_path, server, teacher, count=60, **settings)

    assert address in str(caught.value)
    assert len(ledger(tmp_path)) <= 2


def test_a_server_that_was_met_before_may_be_away_for_a_while(tmp_path: Path) -> None:
    with AnswerServer([chat(), Break("before headers"), chat()]) as server:
        facts = ask(tmp_path, server, count=3, workers=1).facts

    assert (3, 0) == (facts["kept"], facts["unanswered"])


def test_text_is_read_in_the_encoding_that_it_names() -> None:
    assert "Größe" == text_of("Größe".encode("latin-1"), "text/plain; charset=iso-8859-1")
    assert "网关" == text_of("网关".encode("gb18030"))
