"""Vocabularies that real models have, from the libraries that ship them: Qwen's, Mistral's of both kinds."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from prompts.rendering import Wish
from storage.records import PonensError
from tasks.engines.interface import Reader, Request
from tasks.tokenizing import encoding
from tasks.tokenizing import renderer as render
from tasks.tokenizing.masks import IGNORED, Teaching, samples
from tests.conversations import row, turns
from tests.tiny import CHATML

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

BRACKETS = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}"
    "{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
)
TALK = turns("In 2024, 3只猫?", "  两  spaces,\n\tx_12 = 345", "naïve ☃?", "Answer: B")
TEXTS = [m["content"] for m in TALK] + ["SELECT count(*)\n    FROM t1", "DON'T; we'LL"]


def file(package: str, name: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package}, which ships the vocabulary, is not installed")
    return Path(found.submodule_search_locations[0]) / name


def byte_level(ranks: dict[bytes, int], pattern: str, special: tuple[str, ...]) -> Any:
    """Ranks as tiktoken has them, in the form in which these models are published as tokenizer.json."""
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    class Ranked(TikTokenConverter):  # type: ignore[misc]
        @staticmethod
        def load_tiktoken_bpe(_: str) -> dict[bytes, int]:
            return ranks

    made = Ranked(vocab_file="", pattern=pattern, extra_special_tokens=list(special)).converted()
    return PreTrainedTokenizerFast(tokenizer_object=made)


@pytest.fixture(scope="module")
def qwen() -> Any:
    from tiktoken.load import load_tiktoken_bpe
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    ranks = load_tiktoken_bpe(str(file("dashscope", "resources/qwen.tiktoken")))
    made = byte_level(ranks, PRETOKENIZE_REGEX, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    made.eos_token, made.pad_token, made.chat_template = "<|im_end|>", "<|endoftext|>", CHATML
    return made


@pytest.fixture(scope="module")
def tekken() -> Any:
    import base64

    told = json.loads(file("mistral_common", "data/tekken_240911.json").read_bytes())
    size = told["config"]["default_vocab_size"] - told["config"]["default_num_special_tokens"]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in told["vocab"][:size]}
    made = byte_level(ranks, told["config"]["pattern"], ("<s>", "</s>", "[INST]", "[/INST]"))
    made.bos_token, made.eos_token, made.pad_token, made.chat_template = "<s>", "</s>", "</s>", BRACKETS
    return made


@pytest.fixture(scope="module")
def sentencepiece() -> Any:
    """With the scores read, as its makers' tokenizer.json has it."""
    from sentencepiece import SentencePieceProcessor
    from transformers.models.llama.tokenization_llama import LlamaTokenizer
    from transformers.tokenization_utils_base import generate_merges

    own = SentencePieceProcessor(
        model_file=str(file("mistral_common", "data/mistral_instruct_tokenizer_240323.model.v3"))
    )
    pieces = [own.id_to_piece(number) for number in range(own.vocab_size())]
    scores = {piece: own.get_score(number) for number, piece in enumerate(pieces)}
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = LlamaTokenizer(vocab=vocabulary, merges=generate_merges(vocabulary, scores))
    made.add_special_tokens({"additional_special_tokens": ["[INST]", "[/INST]"]})
    made.pad_token, made.chat_template = "</s>", BRACKETS
    return made


@pytest.fixture(scope="module", params=["qwen", "tekken", "sentencepiece"])
def one(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_every_answer_is_learnt_token_by_token_after_what_evaluation_asks_with(one: Any) -> None:
    renderer = render.fit(one, Wish())
    [sample] = samples([row("r", TALK)], renderer, Teaching("assistant"))
    reader = Reader(one, 512, [one.eos_token_id])

    for at in (1, 3):
        [asked] = reader.encode([Request("k", "base", renderer.prompt(TALK[:at]), 8)])
        end = sample.ids.index(one.eos_token_id, len(asked.ids)) + 1
        labels = sample.labels[len(asked.ids) : end]

        assert asked.ids == sample.ids[: len(asked.ids)]
        assert labels == sample.ids[len(asked.ids) : end], "the whole answer is learnt, with its end"
        assert IGNORED == sample.labels[len(asked.ids) - 1]
        said = reader.completion(asked, labels)
        assert (TALK[at]["content"].strip(), "stop") == (said.text.strip(), said.finish)


@pytest.mark.parametrize("beginning", ["Answer:", "答案：", "So it is\n\nAnswer:"])
def test_letters_are_told_apart_by_one_token(one: Any, beginning: str) -> None:
    reader = Reader(one, 512)
    [asked] = reader.encode([Request("k", "base", beginning, 1, letters=(" A", " B", " C", " D"))])

    assert asked.allowed is not None
    assert [" A", " B", " C", " D"] == sorted(asked.allowed.values())


@pytest.mark.parametrize("name", ["qwen2", "tekken"])
def test_the_rule_that_a_gguf_file_names_cuts_as_the_vocabulary_does(name: str, request: pytest.FixtureRequest) -> None:
    from tasks.gguf import pre_tokenizers

    backend = request.getfixturevalue("qwen" if name == "qwen2" else name).backend_tokenizer
    rule = pre_tokenizers.rule(name)

    assert name == pre_tokenizers.pre(backend)
    for text in TEXTS:
        assert backend.pre_tokenizer.pre_tokenize_str(text) == rule.pre_tokenize_str(text)


def spm(folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(file("mistral_common", "data/tokenizer.model.v1"), folder / "tokenizer.model")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 32000}))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", **names}))
    return folder


def test_a_folder_with_sentencepiece_s_file_alone_is_refused_where_tokens_differ(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    base = spm(tmp_path / "base")
    tokenizer = render.load(str(base), None)

    encoding.check_pieces(["The robot turns left.", "我们在2024年有3只猫", "<s>  two"], tokenizer, base)
    with pytest.raises(PonensError, match=r"is another one(.|\n)*tokenizer\.json beside it"):
        encoding.check_pieces(["def f(x):\n    return x  # ok"], tokenizer, base)
    (base / "tokenizer.json").write_text("{}")
    encoding.check_pieces(["def f(x):\n    return x  # ok"], tokenizer, base)
