"""What a training would end with is known from its base's files, before anything is paid for: no torch, no tokenizer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from prompts import ending
from storage import chat_template
from storage.artifacts import write_json
from tasks.serve.model import base as served
from tasks.train.checks import problems
from tasks.train.spec import TrainSpec
from tests.adapters import safetensors
from tests.tiny import CHATML

# of minimal templates, the traits that real ones have
MARKED = CHATML.replace("message['content']", "message['content'] | trim")
BARE = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}{{ '' if loop.last else '\n' }}{% endfor %}"
WORDS = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n\nEND' }}{% endfor %}"
EOS = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + eos_token }}{% endfor %}"
DEFAULT_SYSTEM = "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}" + CHATML
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}{% endfor %}"
    + CHATML
)
STRIPPED = CHATML.replace("message['content']", "message['content'].split('</think>')[-1]")
GENERATION = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% endfor %}"
)
LAST_ALONE = "{% for m in messages %}{{ m['content'] }}{% if loop.last %}{{ '<|im_end|>' }}{% else %}{{ '<sep>' }}{% endif %}{% endfor %}"


def folder(place: Path, template: Any = None, *, tied: bool = True, **tokenizer: Any) -> Path:
    """A base's folder as far as its files are read: added tokens, template, two layers."""
    place.mkdir(parents=True, exist_ok=True)
    layers = {f"model.layers.{n}.self_attn.{part}.weight": (4, 4) for n in range(2) for part in ("q_proj", "v_proj")}
    safetensors(place / "model.safetensors", {"model.embed_tokens.weight": (8, 4), **layers})
    write_json(place / "config.json", {"tie_word_embeddings": tied, "num_hidden_layers": 2, "eos_token_id": 0})
    added = [
        {"id": n, "content": c, "special": True} for n, c in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    ]
    write_json(place / "tokenizer.json", {"added_tokens": added})
    told = {"eos_token": "<|endoftext|>", **({"chat_template": template} if template else {})} | tokenizer
    write_json(place / "tokenizer_config.json", told)
    return place


def said(place: Path, **settings: Any) -> str:
    return " | ".join(str(one) for one in problems(TrainSpec(base_model=str(place), **settings)))


@pytest.mark.parametrize("template", [CHATML, MARKED, EOS, DEFAULT_SYSTEM, NO_SYSTEM, STRIPPED, GENERATION, LAST_ALONE])
def test_a_template_that_ends_a_reply_with_a_token_has_no_problem(tmp_path: Path, template: str) -> None:
    assert "" == said(folder(tmp_path / "base", template))


@pytest.mark.parametrize(
    ("template", "tokenizer", "words"),
    [
        (BARE, {}, ("ends a reply with nothing", "'<|endoftext|>'", 'template = "chatml"')),
        (WORDS, {}, (r"ends a reply with what nothing stops at", r"'\n\nEND'", "'<|endoftext|>'")),
        (None, {}, ("has no chat template",)),
        (CHATML, {"eos_token": None}, ("neither a pad nor an eos token",)),
        ([{"name": "rag", "template": CHATML}, {"name": "tool_use", "template": CHATML}], {},
         ("by name alone", "rag, tool_use", "copy one of them to chat_template.jinja")),
    ],
)  # fmt: skip
def test_what_a_template_lacks_is_named_with_what_helps(
    tmp_path: Path, template: Any, tokenizer: dict[str, Any], words: tuple[str, ...]
) -> None:
    found = said(folder(tmp_path / "base", template, **tokenizer))

    assert all(word in found for word in words), found
    assert "" == said(tmp_path / "base", template="chatml"), "a shipped template brings its end along"


def test_a_base_that_is_not_here_has_no_known_problem_and_nothing_heavy_is_loaded() -> None:
    before = {"torch", "transformers"} & set(sys.modules)

    assert [] == problems(TrainSpec(base_model="nobody/nothing-of-that-name", target_modules=["x"]))
    assert before == {"torch", "transformers"} & set(sys.modules)


@pytest.mark.parametrize(
    ("settings", "tied", "words"),
    [
        (
            {"target_modules": ["q_proj", "embed_tokens"]},
            True,
            "'embed_tokens', which this base model's head is as well",
        ),
        ({"target_modules": ["q_proj", "embed_tokens"]}, False, ""),
        ({"target_modules": ["q_proj", "W_pack"]}, True, "names 'W_pack', which this base model has not"),
        ({"target_modules": ["self_attn.q_proj"]}, True, ""),
        ({"modules_to_save": ["lm_head"]}, True, ""),
        ({"modules_to_save": ["score"]}, True, "modules_to_save names 'score', which this base model has not"),
    ],
)
def test_modules_are_held_against_the_base(tmp_path: Path, settings: dict[str, Any], tied: bool, words: str) -> None:
    found = said(folder(tmp_path / "base", CHATML, tied=tied), **settings)

    assert words in found and bool(words) == bool(found)


@pytest.mark.parametrize("head", ["lm_head", "model.lm_head", "embed_out"])
def test_low_ranks_of_the_head_are_refused_with_the_settings(head: str) -> None:
    with pytest.raises(ValidationError, match="TRL trains no low ranks of the head"):
        TrainSpec(base_model="me/base", target_modules=["q_proj", head])


FORMS: dict[str, dict[str, Any]] = {
    "text": {"tokenizer_config.json": {"chat_template": CHATML}},
    "list": {"tokenizer_config.json": {"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": CHATML}]}},
    "list of one": {"tokenizer_config.json": {"chat_template": [{"name": "default", "template": CHATML}]}},
    "mapping": {"tokenizer_config.json": {"chat_template": {"default": CHATML, "rag": "T"}}},
    "file": {"chat_template.jinja": CHATML, "tokenizer_config.json": {"chat_template": "an older one"}},
    "chat_template.json": {"chat_template.json": {"chat_template": CHATML}},
    "processor": {"processor_config.json": {"chat_template": CHATML}},
    "tokenizer before processor": {"processor_config.json": {"chat_template": "T"}, "tokenizer_config.json": {"chat_template": CHATML}},
    "folder beside": {"chat_template.jinja": CHATML, "additional_chat_templates/rag.jinja": "T"},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_template_is_read_in_every_form_of_the_hub(tmp_path: Path, form: str) -> None:
    place = folder(tmp_path / "base")
    for name, content in FORMS[form].items():
        (place / name).parent.mkdir(exist_ok=True)
        whole = {**json.loads((place / name).read_text()), **content} if (place / name).exists() else content
        (place / name).write_text(content if isinstance(content, str) else json.dumps(whole))

    assert CHATML == chat_template.text(place)
    assert "" == said(place)
    found = served(place, "base", "i" * 64)
    assert (CHATML, (2,)) == (found.text, found.model.stops), "it is served as it is, and ends where it ends"
    assert (CHATML if form in ("chat_template.json", "processor") else None) == found.model.template


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_template_is_none(tmp_path: Path, empty: str) -> None:
    place = folder(tmp_path / "base")
    (place / "chat_template.jinja").write_text(empty)

    assert chat_template.text(place) is None
    assert "has no chat template" in said(place)


def test_the_tokens_that_a_reply_ends_with_are_read_one_after_the_other() -> None:
    tokens = ["<|im_end|>", "<|im", "<|endoftext|>", " "]

    assert ["<|im_end|>"] == ending.end_tokens("<|im_end|>\n", tokens)
    assert ["<|im_end|>", "<|endoftext|>"] == ending.end_tokens("\n <|im_end|>\n<|endoftext|>", tokens)
    assert [] == ending.end_tokens("\nUser:<|im_end|>", tokens)
    assert "<|im_end|>" == ending.joining("<|im_end|>\n", tokens, ["<|endoftext|>"])
    assert ending.joining("<|im_end|><|endoftext|>", tokens, ["<|endoftext|>"]) is None
    assert ending.joining("", tokens, []) is None


def test_a_template_that_knows_contents_in_parts_alone_says_nothing_of_its_end() -> None:
    parts = "{% for m in messages %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<end>{% endfor %}"

    assert ending.after_reply(ending.writer(parts, {})) is None
