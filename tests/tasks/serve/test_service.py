"""The front of a server before an engine without a model: names, words, limits, faults. Real processes and clients."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from prompts import choice
from prompts.lettered import parted
from prompts.rendering import Rendering, Wish
from storage.adapters import registry
from storage.adapters.versions import Adapter
from storage.artifacts import MANIFEST, read_manifest, sha256, write_json
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.serve import engines, lorax
from tasks.serve.abilities import unable
from tasks.serve.access import Limits
from tasks.serve.errors import Refusal
from tasks.serve.model import Model
from tasks.serve.service import Address, check, listening
from tasks.serve.spec import ServeSpec
from tasks.serve.supervisor import Supervisor
from tests.adapters import made, peft
from tests.fakes_serving import Served, served

pytestmark = pytest.mark.process
CHAT = "/v1/chat/completions"
TEMPLATE = "{{ messages }}"  # of tests.adapters.peft and of the small base alike
INFERENCE = {"question": dict(choice.TEMPLATE), "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 64}
ASK = "Mia sits left of Tom.\n\nWho sits left?\nA) Mia\nB) Tom"


def trained(home: Home, **about: object) -> Adapter:
    told = {"inference": INFERENCE, "rendering": Rendering(Wish("own", "Be brief.", None), TEMPLATE).dict()}
    return made(home, digest=os.urandom(32).hex(), **{"base_identity": "i" * 64, **told, **about})


def question(text: str = ASK, **more: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], **more}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[Served]:
    trained(home)
    trained(home)
    registry.set_alias(home, Adapter("logic", 1, home.adapters / "logic" / "1"), "champion")
    with served(home, ["logic"]) as found:
        yield found


def test_a_question_alone_is_asked_as_the_adapter_learnt_it(server: Served) -> None:
    sent = server.asked(ASK, model="logic@champion")

    assert "logic/1" == sent["model"]
    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": choice.TEMPLATE["en"].replace("{question}", ASK)},
    ] == sent["messages"]
    assert (0.0, 1.0, 64) == (sent["temperature"], sent["top_p"], sent["max_tokens"])
    assert "ponens" not in sent and "chat_template" not in sent  # the base's is the same


def test_a_question_is_put_into_the_recipe_s_own_words_its_options_where_they_have_a_place(
    home: Home, server: Served
) -> None:
    template = (
        "Solved examples:\n\nWho?\nA) x\nB) y\n\nAnswer: A\n\nChoices:\n{options}\nOf this: {question}\nAnswer: X"
    )
    version = trained(home, inference=INFERENCE | {"question": {"en": template}})
    question, options = parted(ASK)
    worded = template.replace("{question}", question).replace("{options}", options)

    assert options and worded == server.asked(ASK, model=str(version))["messages"][-1]["content"]
    assert worded == server.asked(worded, model=str(version))["messages"][-1]["content"]


def test_what_a_client_says_itself_stands(server: Served) -> None:
    worded = choice.TEMPLATE["en"].replace("{question}", ASK)
    messages = [{"role": "system", "content": "Be long."}, {"role": "user", "content": worded}]
    with server.client() as client:
        body = {"model": "logic/2", "messages": messages, "temperature": 0.5, "max_tokens": 7}
        sent = json.loads(client.post(CHAT, json=body).json()["choices"][0]["message"]["content"])

    assert (messages, 0.5, 7) == (sent["messages"], sent["temperature"], sent["max_tokens"])
    assert [{"role": "user", "content": ASK}] == server.asked(ASK, model="base")["messages"]
    assert [{"role": "user", "content": ASK}] == server.asked(ASK, model="logic/2", ponens={"raw": True})["messages"]
    like = server.asked(ASK, model="base", ponens={"like": "logic/2"})
    assert ("base", "Be brief.") == (like["model"], like["messages"][0]["content"])


def test_an_adapters_own_template_thinking_and_longest_reply_reach_the_engine(home: Home, server: Served) -> None:
    text = "<turn>{{ messages }}{% if enable_thinking is defined %}{% endif %}"
    inference = INFERENCE | {"max_new_tokens": 4096}  # more than the engine has room for
    version = trained(home, rendering=Rendering(Wish("own", None, False), text).dict(), inference=inference)
    (version.folder / "chat_template.jinja").write_text(text)
    signed(version)

    sent = server.asked(ASK, model=str(version))

    assert (text, {"enable_thinking": False}) == (sent["chat_template"], sent["chat_template_kwargs"])
    assert 1024 == sent["max_tokens"]


def signed(version: Adapter) -> None:
    """A manifest of the files as they are now."""
    told = read_manifest(version.folder)
    files = {
        p.name: {"sha256": sha256(p), "bytes": p.stat().st_size} for p in version.folder.iterdir() if p.name != MANIFEST
    }
    write_json(version.folder / MANIFEST, told | {"files": files})


def test_models_are_listed_by_version_and_alias_without_a_path(server: Served, home: Home) -> None:
    with server.client() as client:
        reply = client.get("/v1/models")
        one = client.get("/v1/models/logic@champion")

    ids = [card["id"] for card in reply.json()["data"]]
    assert {"small", "logic/1", "logic/2", "logic@latest", "logic@champion"} <= {*ids}
    assert "logic/1" == one.json()["root"]
    assert str(home.root) not in reply.text


def test_a_vote_gives_the_elected_reply_and_the_ballot(server: Served) -> None:
    with server.client() as client:
        reply = client.post(CHAT, json=question(model="logic/1", ponens={"votes": 5})).json()
        refused = [
            client.post(CHAT, json=question(**body))
            for body in (
                {"ponens": {"votes": 5}, "stream": True},
                {"ponens": {"votes": 5}, "n": 2},
                {"ponens": {"votes": 65}},
                {"ponens": {"vote": 5}},
                {"ponens": 5},
                {"ponens": {"votes": 3}, "messages": [{"role": "user", "content": "No options."}]},
            )
        ]

    told = reply["ponens"]
    assert ("B", ["A", "B", None, "B", "B"], {"A": 1, "B": 3}, 1) == (
        told["answer"], told["votes"], told["tally"], told["abstained"],
    )  # fmt: skip
    assert ["Answer: B"] == [c["message"]["content"] for c in reply["choices"]]
    assert [400] * 6 == [r.status_code for r in refused]


def test_a_move_of_an_alias_is_seen_with_no_request_lost(server: Served, home: Home) -> None:
    seen: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        with server.client() as client:
            while not stop.is_set():
                reply = client.post(CHAT, json=question(model="logic@night"))
                seen.append((reply.status_code, reply.json().get("model", "")))

    first, second = trained(home), trained(home)
    registry.set_alias(home, first, "night")
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(ask)
        wait_for(lambda: (200, str(first)) in seen)
        registry.set_alias(home, second, "night")
        moved = time.monotonic()
        wait_for(lambda: (200, str(second)) in seen)
        took = time.monotonic() - moved
        stop.set()

    assert {(200, str(first)), (200, str(second))} == {*seen}
    assert took < 5


def wait_for(fact: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_an_adapter_that_cannot_be_served_is_refused_by_name_and_harms_no_other(home: Home, server: Served) -> None:
    corrupt, pickled, dora, other, large, template = (trained(home) for _ in range(6))
    weights = corrupt.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x00\x41")
    (pickled.folder / "adapter_model.bin").write_bytes(b"\x80\x04.")
    config = json.loads((dora.folder / "adapter_config.json").read_text())
    write_json(dora.folder / "adapter_config.json", config | {"use_dora": True})
    other = trained(home, base_identity="o" * 64)
    peft(large.folder, rank=16)
    (template.folder / "chat_template.jinja").write_text("{{ other }}")
    said = {
        corrupt: "files are not those of its manifest",
        pickled: "pickle",
        dora: "on the fly",
        other: "another base model",
        large: "rank 16 is above 8",
        template: "another template",
    }
    with server.client() as client:
        for version, words in said.items():
            reply = client.post(CHAT, json=question(model=str(version)))
            assert 422 == reply.status_code
            error = reply.json()["error"]
            assert str(version) in error["message"] and words in error["message"]
            assert str(home.root) not in reply.text
        assert 404 == client.post(CHAT, json=question(model="logic/99")).status_code
        assert 200 == client.post(CHAT, json=question(model="logic/1")).status_code


def test_an_adapter_removed_while_in_use_ends_its_requests_and_takes_no_new_ones(home: Home, server: Served) -> None:
    version = trained(home)
    with server.client() as client, ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.post, CHAT, json=question("wait", model=str(version)))
        wait_for(lambda: (home.root / "work" / "serve-test" / str(version)).exists())
        registry.remove(home, version, force=True)

        assert 200 == running.result().status_code
        assert 404 == client.post(CHAT, json=question(model=str(version))).status_code


def test_a_stream_is_passed_on_as_it_comes_and_a_slow_reader_holds_up_nobody(server: Served) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps(question("flood", stream=True)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    slow = [socket.create_connection((host, int(port))) for _ in range(8)]
    for one in slow:
        one.sendall(head.encode() + body)
        one.recv(64)  # and no more

    with server.client() as client, client.stream("POST", CHAT, json=question("wait", stream=True)) as reply:
        came = [(time.monotonic(), line) for line in reply.iter_lines() if line]
    for one in slow:
        one.close()

    assert "data: [DONE]" == came[-1][1]
    assert came[-1][0] - came[0][0] > 0.5  # not kept back until the end


def test_text_endpoints_ask_questions_and_leave_rendered_text(server: Served) -> None:
    with server.client() as client:
        asked = client.post("/v1/completions", json={"model": "logic/1", "prompt": ASK}).json()
        ids = client.post("/v1/completions", json={"model": "logic/1", "prompt": [1, 2]}).json()
        raw = client.post("/v1/completions", json={"model": "logic/1", "prompt": ASK, "ponens": {"raw": True}}).json()

    rendered = json.loads(bytes(json.loads(asked["choices"][0]["text"])["prompt"]))
    assert [{"role": "system", "content": "Be brief."}] == rendered["messages"][:1]
    assert [1, 2] == json.loads(ids["choices"][0]["text"])["prompt"]
    assert ASK == json.loads(raw["choices"][0]["text"])["prompt"]


def test_a_thousand_malformed_requests_get_4xx_each_and_no_trace(server: Served, home: Home) -> None:
    draw = random.Random(7)
    paths = (CHAT, "/v1/completions", "/generate", "/generate_stream", "/", "/v1/load_lora_adapter", "/v1/models/nope")
    odd = (None, True, -1, 1e999, "", "x" * 300, [], {}, [[]], {"a": 1}, ["\ud83d"], 2**70, "../../etc/passwd", "\x00")
    names = ("model", "messages", "n", "stream", "ponens", "chat_template", "stop_token_ids", "parameters")
    bodies = [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": "logic/1"}', b'{"messages": []}', b"[" * 5000,
        b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]}',
        b'{"model": "../logic/1", "messages": [{"role": "user", "content": "x"}]}', b"x" * 10_000,
        b'{"messages": "hi", "priority": 1}', b'{"inputs": "hi", "parameters": {"merged_adapters": {"ids": ["a"]}}}',
    ]  # fmt: skip
    answers: list[httpx.Response] = []
    with server.client() as client:
        for n in range(1000):
            if n % 3:
                wrong = {name: draw.choice(odd) for name in draw.sample(names, 3)}
                wrong |= {name: draw.choice((None, 3, {"b": 2})) for name in ("messages", "inputs", "prompt")}
                body = json.dumps(wrong).encode()
            else:
                body = draw.choice(bodies)
            kind = "application/json" if n % 10 else "text/plain"
            answers.append(client.post(draw.choice(paths), content=body, headers={"Content-Type": kind}))

    assert [] == [(r.status_code, r.request.content, r.text) for r in answers if not 400 <= r.status_code < 500]
    told = "".join({r.text for r in answers})
    assert "Traceback" not in told and str(home.root) not in told and ".py" not in told


def test_requests_that_are_too_large_too_many_or_of_another_host_are_turned_away(tmp_path: Path) -> None:
    limits = Limits(body=2000, requests=2, seconds_to_send=0.5)
    with served(Home(tmp_path / "home"), [], limits=limits) as server, server.client() as client:
        assert 413 == client.post(CHAT, json=question("x" * 3000)).status_code
        host = {"Host": "evil.example:80"}
        assert 403 == client.post(CHAT, json=question(), headers=host).status_code
        with ThreadPoolExecutor(8) as pool:
            codes = [r.status_code for r in pool.map(lambda _: client.post(CHAT, json=question("wait")), range(8))]
        assert {200, 429} == {*codes}

        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as stuck:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{{"
            stuck.sendall(head.encode())
            assert b"408" in stuck.recv(100)


def test_a_server_with_a_key_answers_those_who_show_it(tmp_path: Path) -> None:
    with served(Home(tmp_path / "home"), [], key="s3cret-s3cret") as server:
        with server.client() as client:
            assert 200 == client.get("/v1/models").status_code
        for wrong in ({}, {"Authorization": "Bearer s3cret"}, {"Authorization": "Basic s3cret-s3cret"}):
            for path in ("/v1/models", "/metrics"):
                reply = httpx.get(server.url + path, headers=wrong)
                assert (401, "authentication_error") == (reply.status_code, reply.json()["error"]["type"])
        assert 200 == httpx.get(server.url + "/health").status_code


def test_an_engine_killed_under_load_comes_back_and_none_hangs(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    trained(home)
    with served(home, ["logic"]) as server, server.client() as client, ThreadPoolExecutor(8) as pool:
        first = server.supervisor.pid
        running = [pool.submit(client.post, CHAT, json=question("wait", model="logic/1")) for _ in range(8)]
        streamed = pool.submit(client.post, CHAT, json=question("wait", stream=True))
        wait_for(lambda: (home.root / "work" / "serve-test" / "logic" / "1").exists())
        time.sleep(0.3)
        os.killpg(first, signal.SIGKILL)

        replies = [one.result() for one in running]
        during = client.get("/ready")
        wait_for(lambda: client.get("/ready").status_code == 200)

        assert {503} >= {r.status_code for r in replies} - {200}
        assert all(int(r.headers["Retry-After"]) >= 1 for r in [*replies, during] if r.status_code == 503)
        assert streamed.result().status_code in (200, 503) and b"error" in streamed.result().content
        assert 200 == client.post(CHAT, json=question(model="logic/1")).status_code  # loaded again
        assert b"vllm:requests" in client.get("/metrics").content
        assert first != server.supervisor.pid


def test_an_engine_that_fails_at_one_request_says_no_more_than_that(server: Served) -> None:
    with server.client() as client:
        reply = client.post(CHAT, json=question("fail now"))
        room = client.post(CHAT, json=question(max_tokens=5000))

    assert (422, "engine_failed") == (reply.status_code, reply.json()["error"]["code"])
    assert "secret" not in reply.text
    assert (400, False) == (room.status_code, "/srv" in room.text)


def loaded_with(home: Home, note: str) -> Adapter:
    """A new version whose folder makes the engine refuse it or die of it."""
    return made(home, digest=os.urandom(32).hex(), base_identity="i" * 64, inference=INFERENCE, notes=(note,))


def test_an_engine_s_own_reason_for_a_refusal_reaches_the_client(home: Home, server: Served) -> None:
    version = loaded_with(home, "refused.json")
    with server.client() as client:
        reply = client.post(CHAT, json=question(model=str(version)))

    assert 422 == reply.status_code
    assert "the engine refuses it: Call to add_lora method failed" in reply.json()["error"]["message"]
    assert "/tmp/x" not in reply.text


def test_an_adapter_that_the_engine_dies_of_is_refused_and_the_base_lives_on(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    trained(home)
    deadly = loaded_with(home, "deadly.json")
    with served(home, ["logic"]) as server, server.client() as client:
        replies = [client.post(CHAT, json=question(model=str(deadly)))]
        while replies[-1].status_code == 503 and len(replies) < 100:
            wait_for(lambda: client.get("/ready").status_code == 200)
            replies.append(client.post(CHAT, json=question(model=str(deadly))))
        *before, last = replies

        assert 422 == last.status_code
        assert len(before) >= 2, "an engine's first end may be an accident"
        assert "the engine ended 2 times" in last.json()["error"]["message"]
        assert "RuntimeError: no kernel for these layers" in last.json()["error"]["message"]
        assert 200 == client.post(CHAT, json=question()).status_code


ENGINE = """
import os, signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen()
for status in (200, {second}):
    client, _ = door.accept()
    client.recv(4096)
    client.send(b"HTTP/1.1 %d X\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n" % status)
    client.close()
print("RuntimeError: worker", os.getpid(), "is gone", file=sys.stderr, flush=True)
{last}
"""


def supervised(tmp_path: Path, second: int, last: str) -> Supervisor:
    """An engine that is up for one look at it, then says `second`, and does `last`."""
    socket_ = Path(tempfile.mkdtemp(prefix="ponens-")) / "engine"
    command = [sys.executable, "-c", ENGINE.format(second=second, last=last), str(socket_)]
    return Supervisor(command, dict(os.environ), socket_, tmp_path / "engine.log")


def test_a_cancellation_while_a_dead_engine_is_cleared_away_ends_the_supervisor(tmp_path: Path) -> None:
    async def run() -> float:
        supervisor = supervised(tmp_path, 500, "import time; time.sleep(60)")
        task = asyncio.create_task(supervisor.run())
        while not supervisor.generation:
            await asyncio.sleep(0.02)
        while supervisor.ready:
            await asyncio.sleep(0.02)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        await supervisor.close()
        assert task.cancelled() and supervisor.generation == 1
        with pytest.raises(ProcessLookupError):
            os.kill(supervisor.pid, 0)
        return time.monotonic() - began

    assert asyncio.run(run()) < 5


def test_an_engine_that_ends_alike_again_and_again_ends_the_server_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.serve.supervisor._LONGEST_WAIT_S", 0.01)

    async def run() -> Supervisor:
        supervisor = supervised(tmp_path, 500, "sys.exit(1)")
        with pytest.raises(PonensError, match=r"ended 5 times in the same way(.|\n)*RuntimeError: worker \d+ is gone"):
            await asyncio.wait_for(supervisor.run(), 60)
        await supervisor.close()
        return supervisor

    assert 5 == asyncio.run(run()).generation


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", {"type": "json_object"}), ("tools", [{"type": "function"}]), ("logprobs", True),
        ("logprobs", 0), ("top_logprobs", 3), ("best_of", 4), ("logit_bias", {"5": 1}), ("tool_choice", "required"),
        ("frequency_penalty", 0.5), ("presence_penalty", -1), ("top_k", 20), ("min_p", 0.1), ("echo", True),
        ("suffix", "end"), ("structured_outputs", {"choice": ["A"]}), ("reasoning_effort", "low"), ("min_tokens", 5),
        ("prediction", {"content": "x"}), ("ignore_eos", True), ("stop_token_ids", [7]), ("functions", [{"name": "f"}]),
        ("bad_words", ["no"]), ("allowed_token_ids", [1]), ("use_beam_search", True), ("n_probs", 1),
        ("skip_special_tokens", False), ("add_generation_prompt", False), ("web_search_options", {}),
    ],
)  # fmt: skip
def test_what_the_small_engine_cannot_do_it_names(field: str, value: object) -> None:
    assert field == unable({"model": "base", "messages": [], field: value}, stops=[2])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", {"type": "text"}), ("response_format", None), ("tools", []), ("logprobs", False),
        ("n", 3), ("best_of", 1), ("logit_bias", {}), ("tool_choice", "none"), ("frequency_penalty", 0.0),
        ("top_k", -1), ("user", "me"), ("stop", ["\n"]), ("stop_token_ids", [2]), ("seed", 0), ("stream", True),
    ],
)  # fmt: skip
def test_what_asks_for_nothing_more_is_served(field: str, value: object) -> None:
    assert unable({"model": "base", "messages": [], field: value}, stops=[2]) is None


def test_details_are_refused_where_no_token_is_named() -> None:
    wanted = lorax.asked({"inputs": "hi", "parameters": {"details": True}})

    assert {"logprobs": 0} == _only(lorax.completion(Model("m"), wanted, "hi", 64), "logprobs")
    with pytest.raises(Refusal, match="details need log-probabilities"):
        lorax.completion(Model("m"), wanted, "hi", 64, tokens=False)
    plain = lorax.asked({"inputs": "hi"})
    assert unable(lorax.completion(Model("m"), plain, "hi", 64, tokens=False)) is None


def _only(content: dict[str, object], name: str) -> dict[str, object]:
    return {name: content[name]}


def test_replies_leave_at_once() -> None:
    """asyncio turns Nagle's algorithm off only for sockets that name their protocol; 40 ms a reply otherwise."""
    with listening(Address(port=0)) as door:
        assert socket.IPPROTO_TCP == door.proto


def test_other_addresses_need_a_key_and_code_from_elsewhere_a_name() -> None:
    check(ServeSpec(), "me/base", None, Address("0.0.0.0", key="k"))
    check(ServeSpec(trust_remote_code="me/base@c0ffee"), "me/base", "c0ffee", Address())
    with pytest.raises(UsageError, match="can be reached by others"):
        check(ServeSpec(), "me/base", None, Address("0.0.0.0"))
    for told, revision in (("me/base@c0ffee", None), ("me/base@c0ffee", "main"), ("other/base@c0ffee", "c0ffee")):
        with pytest.raises(UsageError, match="names other code"):
            check(ServeSpec(trust_remote_code=told), "me/base", revision, Address())


def test_the_engine_is_told_the_true_rank_and_runs_no_code_of_a_model(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    (tmp_path / "config.json").write_text("{}")
    with_rank = engines.vllm(
        engines.Start(tmp_path, tmp_path / "s", engines.ranks([4, 9], [1, 8, 16, 32])), ServeSpec()
    )
    without = engines.vllm(engines.Start(tmp_path, tmp_path / "s", 0), ServeSpec())

    assert "16" == with_rank[with_rank.index("--max-lora-rank") + 1]
    assert "--enable-lora" not in without
    assert "--trust-remote-code" not in with_rank + without
