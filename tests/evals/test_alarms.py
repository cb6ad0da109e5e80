"""What a person has to hear of an evaluation before its figures."""

import io

import pytest
from rich.console import Console

from evals.alarms import Heard, alarms, heard, risen
from evals.report import page
from flows.screen import Screen
from storage.records import ERROR, FORCED, GREEDY, Sample
from tests.evals.report.test_scored_page import facts as scored_facts
from tests.evals.sample_report import sample_facts


def said(texts: str, *, read: bool = True, finish: str = "stop", errors: int = 0) -> list[Heard]:
    """A greedy reply and votes to one question, a letter each."""
    return [
        Heard("q", index, text, finish, read, "ValueError: no" if place < errors else "")
        for place, (index, text) in enumerate(enumerate(texts, GREEDY))
    ]


def test_where_nothing_could_be_read_three_replies_and_the_usual_causes_are_shown() -> None:
    [warning] = alarms({"base": said("abcd", read=False, finish="length"), "x/1": said("efgh", read=False)}, 64)

    assert warning.startswith("none of 8 replies of base and x/1 could be read")
    assert "Such as: “a” | “b” | “c”. 4 of them end at max_tokens = 64" in warning
    assert "template" in warning


@pytest.mark.parametrize(("unread", "told"), [(3, False), (4, True)])
def test_much_that_is_unread_on_one_side_is_told_of_that_side(unread: int, told: bool) -> None:
    side = said("k" * unread, read=False) + said("r" * (10 - unread))
    warnings = alarms({"base": side, "x/1": said("yyyyyyyyyy")}, 64)

    assert told == any(w.startswith(f"{unread} of 10 replies of base could not be read") for w in warnings)
    assert not any("of x/1 could not" in w for w in warnings)


def test_forced_letters_are_no_replies_that_were_read() -> None:
    forced = [Heard("q", FORCED, "A", "stop", True)]

    [warning] = alarms({"base": [*said("ab", read=False), *forced]}, 64)

    assert warning.startswith("none of 2 replies of base")


def test_a_long_reply_is_cut_and_an_empty_one_has_a_name() -> None:
    [warning] = alarms({"base": [Heard("q", 0, "", "stop", False), Heard("q", 1, "x" * 999, "stop", False)]}, 64)

    assert "(empty) | “" + "x" * 120 + "…”" in warning


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        ("aaaa", "says the very same as the base in all 4 replies: it is not applied"),
        ("aaab", "says the same as the base in 3 of 4 replies, in all that were not drawn by chance"),
        ("baaa", ""),
    ],
)
def test_an_adapter_that_says_what_the_base_says_is_told_with_how_often(adapter: str, words: str) -> None:
    warnings = alarms({"base": said("aaaa"), "x/1": said(adapter)}, 64)

    assert [words] == [w.removeprefix("x/1 ")[: len(words)] for w in warnings] if words else not warnings


@pytest.mark.parametrize(("errors", "loud"), [(1, False), (2, True)])
def test_errors_are_counted_and_above_one_in_a_hundred_they_are_loud(errors: int, loud: bool) -> None:
    [warning] = alarms({"base": said("x" * 100, errors=errors)}, 64)

    assert warning.startswith(f"{errors} of 100 replies of base raised an error")
    assert loud == ("do not trust these figures" in warning)
    assert "ValueError: no" in warning


def test_a_sample_whose_reader_raised_carries_what_it_raised() -> None:
    sample = Sample("q", "base", 0, "text", "stop", 3, None, f"{ERROR}KeyError: 'x'")

    assert Heard("q", 0, "text", "stop", False, "KeyError: 'x'") == heard(sample)


def test_prompts_that_fill_the_context_are_counted() -> None:
    assert any(
        "2 prompts of base fill the whole context" in w for w in alarms({"base": said("ab", finish="overflow")}, 64)
    )


@pytest.mark.parametrize(("first", "last", "told"), [(8.9, 9.39, 1), (9.39, 8.9, 0), (2.0, 2.0, 0), (None, 2.0, 0)])
def test_a_loss_that_rose_is_told(first: float | None, last: float | None, told: int) -> None:
    assert told == len(risen(first, last))


@pytest.mark.parametrize("status", ["ran", "cached"])
def test_the_terminal_shows_what_a_step_warns_of_below_its_line(status: str) -> None:
    heard_by = io.StringIO()
    screen = Screen(Console(file=heard_by, width=80))
    screen.done("train", status, 1.0, {"loss_first": 8.9, "loss_last": 9.39})
    screen.done("evaluate", status, 1.0, {"warnings": ["none of 26 replies could be read [x]"]})
    screen.done("parse", status, 1.0, {"warnings": [{"kind": "odd"}]})

    _, rose, _, unread, _ = heard_by.getvalue().splitlines()
    assert rose.startswith("! train: the training loss rose from 8.900 to 9.390")
    assert "! evaluate: none of 26 replies could be read [x]" == unread


def test_pages_and_their_markdown_show_the_warnings_and_a_loss_that_rose() -> None:
    letters, dialogues = sample_facts(), scored_facts(warnings=["NOTHING-READ"])
    letters["evaluation"]["warnings"] = ["NOTHING-READ"]
    assert letters["training"] is not None
    letters["training"]["rows"] = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}]

    for text in (page.page(letters), page.markdown(letters)):
        assert "NOTHING-READ" in text
        assert "loss rose from 1.000 to 2.000" in text
    assert "NOTHING-READ" in page.page(dialogues)
    assert "NOTHING-READ" in page.markdown(dialogues)
