"""`ponens serve` without vLLM: the small server on transformers, behind the same front."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.servings import ASK, served

pytestmark = [pytest.mark.heavy, pytest.mark.process]


def test_one_model_at_a_time_is_served_to_the_same_clients(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("peft", reason="peft is not installed")
    with served(tmp_path_factory.mktemp("serving"), "engine=transformers") as serving:
        client = serving.openai()
        asked = [{"role": "user", "content": ASK}]
        said = client.chat.completions.create(model="logic@champion", messages=asked)  # type: ignore[arg-type]
        stream = client.chat.completions.create(model="logic/1", messages=asked, stream=True)  # type: ignore[call-overload]
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        other = client.chat.completions.create(model="logic/2", messages=asked)  # type: ignore[arg-type]
        vote = client.chat.completions.create(
            model="logic/1",
            messages=asked,
            extra_body={"ponens": {"votes": 3}},  # type: ignore[arg-type]
        )
        completed = client.completions.create(model="logic/1", prompt=ASK)
        lorax = {"inputs": ASK, "parameters": {"adapter_id": "logic/1", "max_new_tokens": 16}}
        generated = httpx.post(f"{serving.url}/generate", json=lorax, timeout=600).json()
        streamed = httpx.post(f"{serving.url}/generate_stream", json=lorax, timeout=600).text
        wrong = httpx.post(
            f"{serving.url}/v1/chat/completions", json={"messages": asked, "temperature": "x"}, timeout=600
        )
        expected = alone(
            serving.home.adapters / "logic" / "1", str(serving.base), str(said.usage and said.usage.prompt_tokens)
        )
        metrics = httpx.get(f"{serving.url}/metrics", timeout=600).text

    assert ("logic/1", expected) == (said.model, said.choices[0].message.content)
    assert expected == "".join(pieces) == completed.choices[0].text == generated["generated_text"]
    assert expected != other.choices[0].message.content
    assert 3 == len((vote.model_extra or {})["ponens"]["votes"])
    assert 400 == wrong.status_code
    last = json.loads(streamed.strip().rpartition("data:")[2])
    assert (expected, expected) == (last["token"]["text"], last["generated_text"])
    assert "ponens_replies_total 7" in metrics


def alone(folder, base: str, prompt_tokens: str) -> str:  # type: ignore[no-untyped-def]
    """The greedy reply as plain transformers and PEFT give it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from prompts import choice

    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": choice.TEMPLATE["en"].replace("{question}", ASK)},
    ]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    assert prompt_tokens == str(inputs["input_ids"].shape[1])
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder))
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=16, do_sample=False)
    return str(tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
