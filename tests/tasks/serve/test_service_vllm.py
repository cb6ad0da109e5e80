"""`ponens serve` over real vLLM on a tiny base, and the clients that people have: one server for all of them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest

from prompts import choice
from prompts.rendering import Rendering, Wish
from tests.servings import ASK, ROOT, Serving, served

pytestmark = [pytest.mark.vllm, pytest.mark.process]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    pytest.importorskip("peft", reason="peft is not installed")
    with served(tmp_path_factory.mktemp("serving"), "dtype=float32", "max_loras=1") as found:
        yield found


def test_openai_chats_streams_completes_and_lists(serving: Serving) -> None:
    client = serving.openai()
    asked = [{"role": "user", "content": ASK}]
    whole = client.chat.completions.create(model="logic@champion", messages=asked)  # type: ignore[arg-type]
    stream = client.chat.completions.create(model="logic/1", messages=asked, stream=True)  # type: ignore[call-overload]
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    completed = client.completions.create(model="logic/1", prompt=ASK)
    streamed = client.completions.create(model="logic/1", prompt=ASK, stream=True)
    said = whole.choices[0].message.content

    assert ("logic/1", 16) == (whole.model, whole.usage and whole.usage.completion_tokens)
    assert said == "".join(pieces) and len(pieces) > 3
    assert said == completed.choices[0].text == "".join(c.choices[0].text for c in streamed)
    assert {"base", "logic/1", "logic/2", "logic@latest", "logic@champion"} <= {m.id for m in client.models.list()}
    with pytest.raises(openai.NotFoundError, match="there is no model 'nope'"):
        client.chat.completions.create(model="nope", messages=asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["logic/1", "logic/2"])
def test_the_tokens_asked_are_those_of_training(serving: Serving, model: str) -> None:
    from tasks.tokenizing.renderer import Renderer, load

    folder = serving.home.adapters / model
    told = json.loads((folder / "adapter.json").read_text())["rendering"]
    tokenizer = load(str(folder), None)
    renderer = Renderer(tokenizer, Rendering(Wish("own", told["system"]), tokenizer.chat_template))
    messages = [{"role": "user", "content": choice.TEMPLATE["en"].replace("{question}", ASK)}]
    expected = renderer.tokens([renderer.prompt(messages)])[0].ids
    body = {"model": model, "messages": [{"role": "user", "content": ASK}], "return_token_ids": True}

    reply = httpx.post(f"{serving.url}/v1/chat/completions", json=body, timeout=600).json()

    assert expected == reply["prompt_token_ids"]


def test_a_vote_counts_replies_and_plain_clients_see_a_chat_completion(serving: Serving) -> None:
    client = serving.openai()
    reply = client.chat.completions.create(
        model="logic/1", messages=[{"role": "user", "content": ASK}], extra_body={"ponens": {"votes": 5}}
    )
    told = (reply.model_extra or {})["ponens"]

    assert 1 == len(reply.choices)
    assert 5 == len(told["votes"]) == len(told["replies"]) == told["abstained"] + sum(told["tally"].values())


def test_langchain_invokes_streams_and_batches(serving: Serving) -> None:
    from langchain_openai import ChatOpenAI

    llm = ChatOpenAI(model="logic/1", base_url=f"{serving.url}/v1", api_key="none", max_retries=0)  # type: ignore[arg-type]
    said = llm.invoke(ASK).content

    assert said == "".join(str(chunk.content) for chunk in llm.stream(ASK))
    assert [said] * 3 == [reply.content for reply in llm.batch([ASK] * 3)]


def test_curl_works_as_the_documentation_shows_it(serving: Serving) -> None:
    curl = shutil.which("curl") or pytest.skip("there is no curl")
    body = json.dumps({"model": "logic/1", "messages": [{"role": "user", "content": ASK}]})
    asked = [curl, "-sS", f"{serving.url}/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body]
    reply = json.loads(subprocess.run(asked, capture_output=True, check=True, timeout=600).stdout)
    metrics = subprocess.run([curl, "-sS", f"{serving.url}/metrics"], capture_output=True, check=True, timeout=600)

    assert "logic/1" == reply["model"]
    assert b"vllm:" in metrics.stdout


def test_lorax_generates_and_streams_by_adapter_id(serving: Serving, tmp_path: Path) -> None:
    expected = serving.openai().completions.create(model="logic/1", prompt=ASK, temperature=0).choices[0].text
    script = ROOT / "tests" / "recipes" / "lorax_asks.py"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(_lorax(tmp_path))}
    done = subprocess.run(
        [sys.executable, str(script), serving.url, ASK], env=env, capture_output=True, text=True, timeout=900
    )
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)

    assert [expected] * 3 == [found["text"], found["streamed"], found["pieces"]]
    assert (16, "length") == (found["tokens"], found["finish"])
    assert found["base"] != expected
    assert "there is no model 'nope'" in found["unknown"]


def _lorax(folder: Path) -> list[str]:
    """Where lorax-client is: its pins stand against transformers', so it gets a place of its own."""
    if importlib.util.find_spec("lorax"):
        return []
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), "lorax-client==0.6.3"]
    if subprocess.run(pip, capture_output=True).returncode:
        pytest.skip("lorax-client cannot be had here")
    return [str(folder)]


def test_the_base_keeps_to_itself_beside_adapters_that_fill_every_slot(serving: Serving) -> None:
    """One slot for adapters, filled: vLLM's CPU kernel would take it for the base's too."""
    import torch
    from transformers import AutoModelForCausalLM

    def ask(model: str) -> tuple[int, ...]:
        body = {"model": model, "prompt": [5, 6, 7, 8], "max_tokens": 24, "temperature": 0, "return_token_ids": True}
        reply = httpx.post(f"{serving.url}/v1/completions", json=body, timeout=600).json()
        return tuple(reply["choices"][0]["token_ids"])

    plain = AutoModelForCausalLM.from_pretrained(serving.base)
    with torch.inference_mode():
        out = plain.generate(torch.tensor([[5, 6, 7, 8]]), max_new_tokens=24, do_sample=False)
    expected = tuple(out[0, 4:].tolist())
    with ThreadPoolExecutor(6) as pool:
        mixed = list(pool.map(ask, ["logic/1", "base", "base", "logic/1", "base", "logic/1"]))

    assert {expected} == {mixed[1], mixed[2], mixed[4]}
    assert 1 == len({mixed[0], mixed[3], mixed[5]} - {expected})


def test_a_thousand_odd_values_break_neither_engine_nor_front(serving: Serving) -> None:
    """Requests that pass the front and are odd to vLLM: each a reply or a 4xx, and the engine still the same."""
    odd = (-1, 1e30, 2**63, "", "x", [], {}, [1.5], [-5], [10**9], {"-1": 5}, {"999999": 1}, True, -(10**9), "\x00")
    names = (
        "temperature", "top_p", "top_k", "min_p", "max_tokens", "logit_bias", "seed", "stop", "stop_token_ids",
        "presence_penalty", "repetition_penalty", "min_tokens", "allowed_token_ids", "logprobs", "top_logprobs",
        "prompt_logprobs", "response_format", "structured_outputs", "tools", "tool_choice", "truncate_prompt_tokens",
        "bad_words", "stream_options", "guided_json", "documents", "reasoning_effort", "echo", "user", "n",
    )  # fmt: skip
    before = httpx.get(f"{serving.url}/ready", timeout=600).json()
    wrong = []
    with httpx.Client(base_url=serving.url, timeout=600) as client:
        for n in range(len(odd) * len(names)):
            name, value = names[n % len(names)], odd[n % len(odd)]
            body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1, name: value}
            reply = client.post("/v1/chat/completions", content=json.dumps(body).encode(), headers=_JSON)
            if reply.status_code >= 500 or "Traceback" in reply.text or "site-packages" in reply.text:
                wrong.append((name, value, reply.status_code, reply.text[:200]))

    assert [] == wrong
    assert before == httpx.get(f"{serving.url}/ready", timeout=600).json()


_JSON = {"Content-Type": "application/json"}


def test_the_engine_killed_under_load_comes_back(serving: Serving) -> None:
    """Last in this file: it costs the others' engine. Its core is killed, not its HTTP server."""
    cores = _children(_children(serving.pid)[0])
    with httpx.Client(base_url=serving.url, timeout=600) as client, ThreadPoolExecutor(8) as pool:
        body = {
            "model": "logic/1",
            "messages": [{"role": "user", "content": ASK}],
            "max_tokens": 400,
            "ignore_eos": True,
        }
        running = [pool.submit(client.post, "/v1/chat/completions", json=body) for _ in range(8)]
        time.sleep(0.5)
        for core in cores:
            os.kill(core, signal.SIGKILL)
        replies = [one.result() for one in running]
        end = time.monotonic() + 900
        while client.get("/ready").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.5)

        assert {r.status_code for r in replies} <= {200, 503}
        assert all(int(r.headers["Retry-After"]) >= 1 for r in replies if r.status_code == 503)
        assert 200 == client.post("/v1/chat/completions", json=body | {"max_tokens": 4}).status_code


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if "resource_tracker" not in Path(f"/proc/{child}/cmdline").read_text()]
