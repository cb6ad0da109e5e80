from contextlib import nullcontext
from pathlib import Path

import pytest

from storage.artifacts import write_json
from storage.records import PonensError, UsageError
from tasks.engines import weight_check
from tasks.engines.interface import Completion, Loading, Reader, Request, fork
from tasks.engines.open import choose
from tasks.models import base_models


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


def test_adapters_of_a_mixture_of_experts_are_not_asked_of_vllm_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.devices.visible", lambda: [])
    assert "transformers" == choose("auto", experts=True)
    with pytest.raises(UsageError, match="vLLM without a GPU cannot be given an adapter of a mixture of experts"):
        choose("vllm", experts=True)

    monkeypatch.setattr("storage.devices.visible", lambda: ["a GPU"])
    assert "vllm" == choose("vllm", experts=True)


@pytest.mark.parametrize(
    ("config", "experts"),
    [
        ({"num_experts": 4}, True), ({"num_local_experts": 8}, True), ({"n_routed_experts": 64}, True),
        ({"num_experts": 0}, False), ({"num_experts": None}, False), ({}, False), ({"text_config": {"num_experts": 2}}, True),
    ],
)  # fmt: skip
def test_a_mixture_of_experts_is_known_by_its_configuration(tmp_path: Path, config: object, experts: bool) -> None:
    write_json(tmp_path / "config.json", config)
    (tmp_path / "model.safetensors").touch()

    assert experts == base_models.has_experts(str(tmp_path))


@pytest.mark.parametrize(
    ("dtype", "error", "wrong"),
    [("float32", 0.009, False), ("float32", 0.011, True), ("bfloat16", 0.2, False), ("bfloat16", 0.3, True)],
)
def test_weights_that_answer_otherwise_than_those_given_are_noticed(dtype: str, error: float, wrong: bool) -> None:
    right, said = [{1: -0.5, 2: -1.5}, {3: -0.1}], [{1: -0.5 - error, 2: -1.5 + error, 9: -4.0}, {3: -0.1 - error}]
    with pytest.raises(PonensError, match="does not hold the weights of a/1") if wrong else nullcontext():
        weight_check.compare(right, said, "a/1", dtype)


def test_a_token_that_is_no_longer_likely_counts_as_far_off() -> None:
    with pytest.raises(PonensError, match=r"differ by 3\.33"):
        weight_check.compare([{1: -0.5, 2: -1.5}, {3: -0.1}], [{1: -0.5, 2: -1.5}, {4: -0.1}], "a/1", "bfloat16")


def test_a_model_of_a_hub_is_not_taken_for_a_small_one() -> None:
    assert not Loading("Qwen/Qwen2.5-7B-Instruct").small
