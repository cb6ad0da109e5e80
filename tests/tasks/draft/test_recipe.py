"""Sizes, base and price of a recipe, guessed from rows and machine."""

import tomllib

import pytest

from storage.dialogues import Dialogue
from storage.records import Message, Question
from tasks.draft import recipe
from tasks.draft.recipe import GIB, Machine

CPU = Machine("CPU", 16 * GIB, False)


def gpu(gib: int, *, four_bits: bool = True) -> Machine:
    return Machine("GPU", gib * GIB, four_bits)


@pytest.mark.parametrize(
    ("here", "kind", "base", "method"),
    [
        (CPU, "choice", "Qwen/Qwen2.5-0.5B-Instruct", "lora"),
        (CPU, "proof", "Qwen/Qwen2.5-Math-1.5B-Instruct", "lora"),
        (gpu(6), "chat", "Qwen/Qwen2.5-0.5B-Instruct", "lora"),
        (gpu(8), "chat", "Qwen/Qwen2.5-7B-Instruct", "qlora"),
        (gpu(16, four_bits=False), "chat", "Qwen/Qwen2.5-1.5B-Instruct", "lora"),
        (gpu(24), "sql", "Qwen/Qwen2.5-Coder-7B-Instruct", "lora"),
        (gpu(80), "choice", "Qwen/Qwen2.5-7B-Instruct", "lora"),
        (Machine("GPU", None, True), "choice", "Qwen/Qwen2.5-0.5B-Instruct", "lora"),
    ],
)
def test_the_base_fits_the_machine_and_the_kind(here: Machine, kind, base: str, method: str) -> None:
    sizes = recipe.sized(recipe.survey([]), kind, here)

    assert (base, method) == (recipe.base_model(kind, here)[0], sizes["train"]["method"])


def turns(n: int, words: int) -> Dialogue:
    return Dialogue((Message("user", f"{n}"), Message("assistant", "word " * words)), "instruction")


def test_lengths_follow_the_longest_rows_and_a_batch_shrinks_with_them() -> None:
    short, long = (recipe.survey(turns(n, words) for n in range(2_000)) for words in (100, 5_000))
    few, many = (recipe.sized(found, "instruction", gpu(24)) for found in (short, long))

    assert (512, 8192) == (few["train"]["max_length"], many["train"]["max_length"])
    assert (16, 1) == (few["train"]["batch_size"], many["train"]["batch_size"])
    assert [16, 16] == [s["train"]["batch_size"] * s["train"]["gradient_accumulation"] for s in (few, many)]
    assert (512, 16384) == (few["evaluate"]["max_tokens"], many["evaluate"]["max_tokens"])


@pytest.mark.parametrize(("groups", "test", "epochs"), [(20, 0.3, 3), (1_000, 0.2, 3), (20_000, 0.1, 2)])
def test_shares_and_epochs_follow_the_number_of_groups(groups: int, test: float, epochs: int) -> None:
    sizes = recipe.sized(recipe.survey(turns(n, 3) for n in range(groups)), "instruction", CPU)

    assert (test, epochs) == (sizes["parse"]["test"], sizes["train"]["epochs"])


def test_no_more_rows_are_read_than_are_looked_at_and_the_rest_is_told() -> None:
    found = recipe.survey((turns(n, 3) for n in range(30)), most=10)

    assert (10, False) == (found.rows, found.whole)
    assert recipe.survey((turns(n, 3) for n in range(10)), most=10).whole


def test_questions_without_a_key_are_counted_apart() -> None:
    found = recipe.survey([Question("", "q", ("a", "b"), "A"), Question("", "r", ("a", "b"))])

    assert (2, 1) == (found.rows, found.keyed)


@pytest.mark.parametrize(("cost", "limit"), [(0.0, 1.0), (0.99, 2.0), (0.0312, 0.07), (12.3, 30.0)])
def test_a_limit_leaves_twice_the_estimate_to_one_digit(cost: float, limit: float) -> None:
    assert limit == recipe.limit_of(cost)


@pytest.mark.parametrize(
    "content",
    [
        {"a": 2e-4, "b": 0.05, "c": 30.0, "d": 7},
        {"päth": 'it\'s "so"\\', "o": ["a", "b\n"]},
        {"t": {"x-y": 1, "z w": []}},
    ],
)
def test_values_are_read_back_as_they_were_written(content) -> None:
    assert (
        content
        == tomllib.loads(recipe.written(["a comment"], {"t": {}, "v": {"x": content}}, {"v.x": "why"}))["v"]["x"]
    )


def test_the_teacher_is_the_one_whose_key_is_set() -> None:
    assert "openai" == recipe.teacher({"OPENAI_API_KEY": "k"})[0]
    assert "dashscope" == recipe.teacher({})[0]
