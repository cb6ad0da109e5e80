"""The toy base's tokenizer: byte-level BPE whose tokens are the words of the puzzles.

It keeps Qwen's pre-tokenizer, because engines rebuild exactly that one for a folder whose config says qwen2.
A Chinese value (a name, a colour, a direction) is always one token of its own; fixed phrases around values may
be one token. English words are one token with their leading space.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Qwen2Tokenizer

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_WIDE = re.compile(r"[^\x00-\x7f]")


def build(texts: Iterable[str], values: Iterable[str]) -> Qwen2Tokenizer:
    """A tokenizer for `texts`; `values` are Chinese characters that no phrase token may swallow."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    texts = list(texts)
    alphabet = sorted(ByteLevel.alphabet())
    merges = [*_characters(texts), *_phrases(texts, set(values)), *_words(texts)]
    vocabulary = {token: n for n, token in enumerate(dict.fromkeys((*SPECIAL, *alphabet, *map("".join, merges))))}
    made = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>"],
        model_max_length=4_096,
        chat_template=TEMPLATE,
    )
    return made


def _bytes(text: str) -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return list(ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)[0][0])


def _characters(texts: list[str]) -> list[tuple[str, str]]:
    """Merges that make every wide character one token. First in rank, so that no byte joins a neighbour."""
    merges: dict[tuple[str, str], None] = {}
    for character in sorted({c for text in texts for c in _WIDE.findall(text)}):
        first, *rest = _bytes(character)
        for byte in rest:
            merges[first, byte] = None
            first += byte
    return list(merges)


def _phrases(texts: list[str], values: set[str]) -> list[tuple[str, str]]:
    """Merges for the runs of Chinese between values, the frequent first."""
    run = re.compile(rf"[^\x00-\x7f，。、：；？“”{''.join(sorted(values))}]{{2,}}")
    counts = Counter(found for text in texts for found in run.findall(text))
    merges: dict[tuple[str, str], None] = {}
    for phrase, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        first = "".join(_bytes(phrase[0]))
        for character in phrase[1:]:
            merges[first, "".join(_bytes(character))] = None
            first += "".join(_bytes(character))
    return list(merges)


def _words(texts: list[str]) -> list[tuple[str, str]]:
    """Merges learned from the texts without Chinese, until every word is one token."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=4_000, min_frequency=1, show_progress=False)
    learner.train_from_iterator((text for text in texts if not _WIDE.search(text)), trainer)
    return [(one, other) for one, other in json.loads(learner.to_str())["model"]["merges"]]
