import pytest

from storage.records import PonensError
from tasks.engines.base import Completion, Loading, Reader, Request, choose, fork


class Letters:
    """A tokenizer of single characters, in which "：B" has grown into one token."""

    eos_token_id = 0

    def __call__(self, texts: list[str], **how: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(c) for c in text.replace("：B", "\u2460")] for text in texts]}

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return "".join(map(chr, ids)).replace("\u2460", "：B")


READER = Reader(Letters(), context=12, stops=[1])


def ask(prompt: str, **how: object) -> Request:
    return Request(key="k", subject="base", prompt=prompt, max_tokens=8, **how)  # type: ignore[arg-type]


def test_letters_go_their_own_way_after_what_they_share() -> None:
    assert ([5, 9], {1: " A", 2: " B"}) == fork({" A": [5, 9, 1], " B": [5, 9, 2]})
    assert fork({"A": [5, 1], "B": [5, 1]}) is None
    assert fork({"A": [1], "B": [2]}) is None


def test_a_forced_prompt_ends_where_the_letters_part() -> None:
    one = READER.encode([ask("Answer:", letters=(" A", " B"))])[0]

    assert [ord(c) for c in "Answer: "] == one.ids
    assert {ord("A"): " A", ord("B"): " B"} == one.allowed


def test_a_letter_grown_together_with_its_colon_is_forced_as_a_token_of_its_own() -> None:
    one = READER.encode([ask("答案：", letters=("A", "B"))])[0]

    assert [ord(c) for c in "答案："] == one.ids
    assert {ord("A"): "A", ord("B"): "B"} == one.allowed


def test_letters_that_no_token_tells_apart_are_an_error() -> None:
    with pytest.raises(PonensError, match="cannot be forced"):
        READER.encode([ask("x", letters=("AB", "A"))])


def test_a_reply_is_cut_to_the_room_that_the_context_leaves() -> None:
    assert [8, 2, 0] == [one.room for one in READER.encode([ask("abc"), ask("a" * 10), ask("a" * 12)])]


def test_a_reply_ends_at_any_stop_token_and_its_text_is_without_it() -> None:
    one = READER.encode([ask("abc")])[0]

    assert Completion("k", "hi", "stop", 3) == READER.completion(one, [*map(ord, "hi"), 1])
    assert Completion("k", "hi", "stop", 3) == READER.completion(one, [*map(ord, "hi"), 0])
    assert Completion("k", "hi", "length", 2) == READER.completion(one, [*map(ord, "hi")])


def test_auto_is_an_engine_that_is_installed() -> None:
    assert choose("auto") in ("vllm", "transformers")
    assert "transformers" == choose("transformers")


def test_a_model_of_a_hub_is_not_taken_for_a_small_one() -> None:
    assert not Loading("Qwen/Qwen2.5-7B-Instruct").small
