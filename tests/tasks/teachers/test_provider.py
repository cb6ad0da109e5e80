"""What differs between providers of teachers, and what a recipe's settings are held against."""

from typing import get_args

import pytest

from tasks.teachers.build import OPEN, TeacherSpec
from tasks.teachers.provider import PROVIDERS

NAMES = get_args(TeacherSpec.model_fields["teacher"].annotation)


def test_each_name_that_a_recipe_may_give_has_its_entry_and_its_chat_model() -> None:
    assert sorted(NAMES) == sorted(PROVIDERS) == sorted(OPEN)


@pytest.mark.parametrize(
    ("name", "key", "local", "gpus", "seeded", "free"),
    [
        ("openai", "OPENAI_API_KEY", False, 0, False, False),
        ("dashscope", "DASHSCOPE_API_KEY", False, 0, False, False),
        ("vllm", None, True, 1, True, False),
        ("embedded", None, True, 0, False, True),
    ],
)
def test_a_provider_says_what_it_takes(
    name: str, key: str | None, local: bool, gpus: int, seeded: bool, free: bool
) -> None:
    one = TeacherSpec.model_validate({"teacher": name}).provider

    assert (key, local, gpus, seeded, free) == (one.key, one.local, one.gpus, one.seeded, one.free)
    assert (one.key is None) == one.local == (one.address is None)
