from typing import Any

import pytest

from storage.records import PonensError
from tasks.training.tokens import IGNORED, check_same_ids, check_share, encode, template_hash


class Letters:
    """A tokenizer of single characters, with a template of one line a turn; `merged` is one token if it occurs."""

    def __init__(self, merged: str = "", start: str = "A:") -> None:
        self.merged, self.start = merged, start
        self.chat_template = "a template"

    def apply_chat_template(
        self, conversations: list[Any], tokenize: bool, add_generation_prompt: bool = False
    ) -> list[str]:
        names = {"user": "Q:", "assistant": "A:"}
        return [
            "".join(f"{names[m['role']]}{m['content']}\n" for m in messages)
            + (self.start if add_generation_prompt else "")
            for messages in conversations
        ]

    def __call__(self, texts: Any, add_special_tokens: bool, return_attention_mask: bool = True) -> dict[str, Any]:
        if isinstance(texts, str):
            return {"input_ids": self.ids(texts)}
        return {"input_ids": [self.ids(text) for text in texts]}

    def ids(self, text: str) -> list[int]:
        return [ord(c) for c in (text.replace(self.merged, "\u20ac") if self.merged else text)]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def row(prompt: str, completion: str, name: str = "r1") -> dict[str, Any]:
    return {
        "id": name,
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": completion}],
    }


def test_only_the_completion_is_learnt() -> None:
    tokenizer = Letters()
    encoded = encode([row("hi", "yo")], tokenizer, 100)

    assert encoded.ids == [tokenizer.ids("Q:hi\nA:yo\n")]
    assert encoded.labels == [[IGNORED] * 7 + tokenizer.ids("yo\n")]
    assert (encoded.trained, encoded.truncated) == (3, 0)


def test_no_rows_are_no_tokens() -> None:
    assert encode([], Letters(), 100).ids == []


def test_a_long_row_is_cut_and_counted() -> None:
    encoded = encode([row("hi", "yo"), row("hi", "x" * 50)], Letters(), 20)

    assert [len(ids) for ids in encoded.ids] == [10, 20]
    assert encoded.truncated == 1


def test_a_prompt_that_fills_the_length_is_an_error_that_names_the_row() -> None:
    with pytest.raises(PonensError, match="row r9 has no token to learn"):
        encode([row("hi", "yo"), row("h" * 60, "yo", "r9")], Letters(), 20)


def test_tokens_that_merge_across_the_boundary_are_an_error_that_names_the_row() -> None:
    with pytest.raises(PonensError, match="row r1: the prompt's tokens are no prefix"):
        encode([row("hi", "yo")], Letters(merged=":y"), 100)


def test_a_template_that_renders_the_prompt_otherwise_is_an_error() -> None:
    with pytest.raises(PonensError, match="no prefix"):
        encode([row("hi", "yo")], Letters(start="assistant:"), 100)


def test_the_share_of_cut_rows_is_limited() -> None:
    check_share(5, 100, 0.05, 20)
    with pytest.raises(PonensError, match=r"6 of 100 rows \(6.0%\)"):
        check_share(6, 100, 0.05, 20)


def test_a_tokenizer_without_template_is_an_error() -> None:
    tokenizer = Letters()
    assert len(template_hash(tokenizer)) == 64
    tokenizer.chat_template = None  # type: ignore[assignment]
    with pytest.raises(PonensError, match="no chat template"):
        template_hash(tokenizer)


def test_two_tokenizers_that_disagree_are_an_error_that_shows_where() -> None:
    check_same_ids(["abc"], Letters(), Letters(), "there")
    with pytest.raises(PonensError, match=r"the tokenizer there gives other tokens(.|\n)*token 1 of 'abc'"):
        check_same_ids(["abc"], Letters(), Letters(merged="bc"), "there")
