"""How a byte-level vocabulary cuts text into words before it merges: the rule that `tokenizer.ggml.pre` names.

A GGUF file holds no tokenizer.json, only the rule's name. transformers 5.19 knows some of these names and cuts all
others as GPT-2 does, without a word: a model that learnt digits one by one is then given "2024" whole. Source of the
names and of what they mean: llama.cpp, src/llama-vocab.cpp.

`pre(tokenizer)` goes the other way: the name whose rule cuts as a given tokenizer does.
"""

from __future__ import annotations

from typing import Any

from storage.records import UsageError

# each digit by itself, then as GPT-2
DIGITS = frozenset(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"))
GPT2 = frozenset(("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling"))
# the names under which a tokenizer's rule is looked for, the commonest first
_WRITABLE = ("qwen2", "llama-bpe", "smollm", "gpt-2", "tekken", "gpt-4o")
_PROBES = (
    "In 2024, 1234567 people paid $3.50; it's 5% more.",
    "SELECT count(*) FROM t WHERE x >= 10 AND name = 'O''Brien';\n\n\n  -- done",
    "def f(x):\n    return x_1 + 2**10  # ok\r\n\tend",
    "我们在2024年有3只猫，价格是１２元。",
    "DON'T stop; we'LL see HTTPServer camelCase ÉCOLE naïve",
    "   three   spaces \n \n tab\tend  ",
)


def known(pre: str) -> bool:
    """Whether a tokenizer with this rule can be rebuilt here."""
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    return pre in DIGITS or pre in GPT2 or pre in GGUF_PRE_TOKENIZER_SPLITS


def rule(pre: str) -> Any:
    """The `tokenizers` pre-tokenizer of that name. UsageError if the name is not known."""
    from tokenizers import Regex, pre_tokenizers
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    if pre in DIGITS:
        digits = pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated")
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    if pre in GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if pre in GGUF_PRE_TOKENIZER_SPLITS:
        split = pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[pre]), behavior="isolated")
        return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    raise UsageError(
        "the file's tokenizer cuts text by a rule that is not known here",
        seen=f"tokenizer.ggml.pre = {pre!r}",
        expected=f"one of {', '.join(sorted({*DIGITS, *GPT2, *GGUF_PRE_TOKENIZER_SPLITS}))}",
        hint="name a folder with the model's own tokenizer.json: --tokenizer FOLDER",
    )


def pre(tokenizer: Any) -> str | None:
    """The name of the rule that cuts as this `tokenizers.Tokenizer` does, on texts made to tell them apart."""
    ours = tokenizer.pre_tokenizer
    if ours is None:
        return None
    words = [_words(ours, text) for text in _PROBES]
    return next((name for name in _WRITABLE if [_words(rule(name), text) for text in _PROBES] == words), None)


def _words(pre_tokenizer: Any, text: str) -> list[str]:
    return [word for word, _ in pre_tokenizer.pre_tokenize_str(text)]
