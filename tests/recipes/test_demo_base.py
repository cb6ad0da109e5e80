"""The shipped toy base: small, loadable, and with a tokenizer that every engine reads alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prompts import choice
from puzzles.generate import generate
from puzzles.solve import rationale
from storage.records import Question

BASE = Path(__file__).parents[2] / "recipes" / "demo_base"


def test_the_model_is_small_and_its_heads_suit_vllm() -> None:
    config = json.loads((BASE / "config.json").read_text())

    assert (BASE / "model.safetensors").stat().st_size <= 2_000_000
    assert config["model_type"] == "qwen2"
    assert config["hidden_size"] // config["num_attention_heads"] == 32


@pytest.mark.integration
def test_prompts_and_rationales_are_read_back_and_no_prompt_merges_into_its_reply() -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(BASE)
    for row in generate(100, seed=8):
        asked = row["questions"][0]
        question = Question(row["problem"], asked["question"], tuple(asked["options"]))
        chat = [message.dict() for message in choice.solve(question)]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        reply = rationale(prompt)
        assert reply is not None
        ids = tokenizer(prompt)["input_ids"]
        whole = tokenizer(prompt + reply + "<|im_end|>")["input_ids"]

        assert prompt == tokenizer.decode(ids)
        assert ids == whole[: len(ids)]
        assert whole[-1] == tokenizer.eos_token_id
        # every word is a token: raw bytes would mean a vocabulary older than the puzzles
        assert len(ids) < 150
        assert len(whole) < 256


@pytest.mark.integration
def test_the_saved_tokenizer_json_and_the_rebuilt_tokenizer_agree() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    saved = tokenizers.Tokenizer.from_file(str(BASE / "tokenizer.json"))
    rebuilt = transformers.AutoTokenizer.from_pretrained(BASE)
    for row in generate(100, seed=9):
        assert saved.encode(row["problem"]).ids == rebuilt(row["problem"])["input_ids"]
