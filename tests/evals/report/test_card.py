"""The data card: its numbers stand in it, its texts stay texts, and it loads nothing."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evals.report.card import card, markdown
from evals.report.card_facts import CardFacts, bins, quantiles

HOSTILE = '<script>alert("x")</script> | `a` ```\n```'


def facts(**changes: Any) -> CardFacts:
    sizes = [{"split": "train", "rows": 1234, "shuffled": 7, "questions": 60, "problems": 50}]
    description = {
        "sizes": sizes,
        "leaks": {"problems in several splits": 0},
        "sources": [{"file": "a|<b>.jsonl", "questions": 70, "problems": 55, "examples": 1234}],
        "letters": [{"letter": "A", "asked": 43, "taught": 50}, {"letter": "B", "asked": 57, "taught": 50}],
        "parts": {"language": [{"name": "English", "examples": 1000}, {"name": "Chinese", "examples": 234}]},
        "lengths": {"prompt": [10, 20, 30], "completion": [1, 2, 3]},
        "examples": [{"id": "e1", "asked": HOSTILE, "told": "Answer: A"}],
    }
    base: dict[str, Any] = {
        "name": "logic",
        "snapshot": "0123456789abcdef",
        "prompt": "choice/2",
        "made_of": "a question and its rationale.",
        "names": ("questions", "problems"),
        "licenses": {"a|<b>.jsonl": "CC BY 4.0"},
        "description": description,
        "tokens": {"tokenizer": "org/model", "rows": 3, "quantiles": [5, 8, 8], "bins": bins([3, 5, 8])},
        "drops": [("reason", "disagrees", 12)],
        "shuffled": {"copies": 7, "two options read alike": 3},
    }
    return {**base, **changes}  # type: ignore[typeddict-item]


def test_both_forms_carry_the_numbers() -> None:
    for text in (card(facts()), markdown(facts())):
        for words in ("0123456789abcdef", "1\u202f234", "CC BY 4.0", "disagrees", "org/model", "50.0 %",
                      "problems in several splits", "7 copies", "3 examples stay as asked: two options read alike"):  # fmt: skip
            assert words in re.sub(r"\s+", " ", text.replace("\u202f", "_")).replace("_", "\u202f"), words


def test_what_has_no_keys_has_no_table_of_them() -> None:
    found = facts(made_of="a chat & its answer.", names=("dialogues", "groups"))
    found["description"]["letters"] = []  # type: ignore[index]

    assert "a chat &amp; its answer." in card(found)
    assert "| split | examples | of them shuffled | dialogues | groups |" in markdown(found)
    for text in (card(found), markdown(found)):
        assert "Keys" not in text
        assert "By language" in text


def test_a_leak_is_said() -> None:
    found = facts()
    found["description"]["leaks"]["problems in several splits"] = 2  # type: ignore[index]

    assert "Yes, see the counts." in card(found)
    assert "Yes, see the counts." in markdown(found)


def test_the_page_runs_no_script_and_loads_nothing() -> None:
    page = card(facts())

    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)


def test_text_of_a_source_stays_text_in_markdown() -> None:
    text = markdown(facts())

    assert "| a\\|&lt;b&gt;.jsonl |" in text
    assert f"````\n{HOSTILE}\n````" in text  # a fence longer than any in the text


def test_without_a_tokenizer_or_drops_the_card_says_so() -> None:
    page = card(facts(tokens=None, drops=[]))

    assert "lengths are in characters" in page
    assert "Nothing." in page


@given(st.lists(st.integers(0, 5000), max_size=200))
def test_a_histogram_counts_every_length_once(lengths: list[int]) -> None:
    found = bins(lengths)

    assert len(lengths) == sum(count for _, _, count in found)
    assert len(found) <= 14
    for low, high, count in found:
        assert count == sum(low <= length <= high for length in lengths)


def test_quantiles_are_median_95_percent_and_longest() -> None:
    assert [50, 95, 100] == quantiles(range(101))
    assert [] == quantiles([])
