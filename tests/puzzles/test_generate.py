"""Generated puzzles: the same for the same seed, never twice, evenly spread, one right option each."""

from __future__ import annotations

from collections import Counter

import pytest

from puzzles.families.base import OPTIONS
from puzzles.generate import FAMILIES, LANGUAGES, generate
from storage.records import UsageError, language_of


def test_same_seed_makes_the_same_puzzles_and_another_seed_makes_others() -> None:
    once = list(generate(60, seed=3))

    assert once == list(generate(60, seed=3))
    assert not {row["problem"] for row in once} & {row["problem"] for row in generate(60, seed=4)}


def test_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    assert list(generate(20, seed=1)) == list(generate(50, seed=1))[:20]


def test_twenty_thousand_texts_all_differ_and_letters_are_uniform() -> None:
    rows = list(generate(20_000, seed=5))
    letters = Counter(asked["answer"] for row in rows for asked in row["questions"])
    total = sum(letters.values())

    assert len({row["problem"] for row in rows}) == 20_000
    assert len({row["id"] for row in rows}) == 20_000
    # chi-square with 3 degrees of freedom: 16.3 is passed once in a thousand seeds
    assert sum((n - total / 4) ** 2 / (total / 4) for n in letters.values()) < 16.3
    assert set(letters) == set("ABCD")


def test_every_family_and_language_has_its_share() -> None:
    cells = Counter((row["id"].split("-")[0], language_of(row["problem"])) for row in generate(1_400, seed=2))

    assert cells == {(name, language): 100 for name in FAMILIES for language in LANGUAGES}


def test_questions_have_four_different_options_and_differ_within_a_problem() -> None:
    for row in generate(2_000, seed=6):
        asked = row["questions"]

        assert len(asked) in (1, 2)
        assert len({(one["question"], *one["options"]) for one in asked}) == len(asked)
        assert all(len(set(one["options"])) == OPTIONS for one in asked)


def test_only_the_chosen_families_are_made() -> None:
    rows = generate(40, seed=0, families=["relay", "lamps"])

    assert {row["id"].split("-")[0] for row in rows} == {"relay", "lamps"}


def test_an_unknown_family_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="sudoku"):
        generate(1, seed=0, families=["sudoku"])


def test_a_negative_count_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="negative"):
        generate(-1, seed=0)


def test_more_than_the_families_can_make_is_refused_before_anything_is_made() -> None:
    with pytest.raises(UsageError, match="so many"):
        generate(10**6, seed=0, families=["compass"])
