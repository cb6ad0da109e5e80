import re
from typing import Any

import pytest

from prompts.rendering import Wish
from storage.records import PonensError
from tasks.tokenizing import encoding
from tasks.tokenizing import renderer as render
from tasks.tokenizing.encoding import Encoded, check_same_ids, check_share
from tasks.tokenizing.masks import IGNORED, Teaching


class Letters:
    """A tokenizer of single characters, with a template of one line a turn; `merged` is one token if it occurs."""

    def __init__(self, merged: str = "", start: str = "A:") -> None:
        self.merged, self.start = merged, start
        self.chat_template = "a template"
        self.pad_token = self.eos_token = "p"

    def apply_chat_template(self, messages: list[Any], tokenize: bool, add_generation_prompt: bool = False) -> str:
        names = {"user": "Q:", "assistant": "A:"}
        said = "".join(f"{names[m['role']]}{m['content']}\n" for m in messages)
        return said + (self.start if add_generation_prompt else "")

    def __call__(self, texts: Any, add_special_tokens: bool, **_: bool) -> dict[str, Any]:
        if isinstance(texts, str):
            return {"input_ids": self.ids(texts)}
        return {
            "input_ids": [self.ids(text) for text in texts],
            "offset_mapping": [[piece.span() for piece in self.pieces(text)] for text in texts],
        }

    def pieces(self, text: str) -> list[re.Match[str]]:
        return list(re.finditer(f"{re.escape(self.merged)}|." if self.merged else ".", text, re.DOTALL))

    def ids(self, text: str) -> list[int]:
        return [ord(p[0]) if len(p[0]) == 1 else 0x20AC for p in self.pieces(text)]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def row(prompt: str, completion: str, name: str = "r1") -> dict[str, Any]:
    return {
        "id": name,
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": completion}],
    }


def encode(rows: list[dict[str, Any]], tokenizer: Letters, max_length: int) -> Encoded:
    return encoding.encode(rows, render.fit(tokenizer, Wish()), max_length, Teaching())


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


def test_a_token_that_reaches_beyond_the_answer_is_an_error_that_names_the_row() -> None:
    two = row("hi", "yo")
    two["completion"] += row("and", "so")["prompt"] + row("and", "so")["completion"]

    assert encode([two], Letters(), 100).trained == len("yo\n" + "so\n")
    with pytest.raises(PonensError, match=r"row r1: a token reaches beyond(.|\n)*'\\nQ'"):
        encode([two], Letters(merged="\nQ"), 100)


def test_rows_whose_prompt_alone_is_too_long_are_refused_or_left_out_and_counted() -> None:
    rows = [row("hi", "yo"), row("a" * 30, "yo", "r2"), row("b" * 30, "yo", "r3")]
    with pytest.raises(PonensError, match=r'row r2 has no token to learn(.|\n)*long_prompts = "leave_out"'):
        encode(rows, Letters(), 20)

    renderer = render.fit(Letters(), Wish())
    encoded = encoding.encode(rows, renderer, 20, Teaching(), leave_out=True)
    assert (1, 2, 0) == (len(encoded.ids), encoded.left_out, encoded.truncated)
    assert len(rows) == len(encoded.ids) + encoded.left_out
    cut = encoding.encode([row("a" * 13, "yo")], renderer, 20, Teaching(), leave_out=True)
    assert (1, 0, 1) == (len(cut.ids), cut.left_out, cut.truncated), "a row that is cut within its answer stays"


def test_a_row_that_ends_with_what_nothing_stops_at_is_an_error() -> None:
    encoded = encode([row("hi", "yo$"), row("hi", "so$", "r2")], Letters(), 100)

    encoding.check_ends(encoded, [ord("$")], Letters())
    with pytest.raises(PonensError, match=r"row r1 ends with a token that nothing stops at(.|\n)*'\$'(.|\n)*'#'"):
        encoding.check_ends(encoded, [ord("#")], Letters())


def test_a_tokenizer_with_neither_pad_nor_eos_is_an_error() -> None:
    tokenizer = Letters()
    tokenizer.pad_token = tokenizer.eos_token = None  # type: ignore[assignment]
    with pytest.raises(PonensError, match="neither a pad nor an eos token"):
        render.fit(tokenizer, Wish())


def test_templates_by_name_alone_are_named() -> None:
    tokenizer = Letters()
    tokenizer.chat_template = {"tool_use": "t", "rag": "r"}  # type: ignore[assignment]
    with pytest.raises(PonensError, match=r"by name alone(.|\n)*rag, tool_use"):
        render.fit(tokenizer, Wish())


def test_a_template_that_renders_the_prompt_otherwise_is_an_error() -> None:
    with pytest.raises(PonensError, match="no prefix"):
        encode([row("hi", "yo")], Letters(start="assistant:"), 100)


def test_the_share_of_cut_rows_is_limited() -> None:
    check_share(5, 100, 0.05, 20)
    with pytest.raises(PonensError, match=r"6 of 100 rows \(6.0%\)"):
        check_share(6, 100, 0.05, 20)


def test_a_tokenizer_without_template_is_an_error() -> None:
    tokenizer = Letters()
    tokenizer.chat_template = None  # type: ignore[assignment]
    with pytest.raises(PonensError, match="no chat template"):
        render.fit(tokenizer, Wish())


def test_two_tokenizers_that_disagree_are_an_error_that_shows_where() -> None:
    check_same_ids(["abc"], Letters(), Letters(), "there")
    with pytest.raises(PonensError, match=r"the tokenizer there gives other tokens(.|\n)*token 1 of 'abc'"):
        check_same_ids(["abc"], Letters(), Letters(merged="bc"), "there")
