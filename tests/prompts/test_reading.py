"""What is read from replies that models really write: tests/prompts/replies.jsonl, a reply a line.

`answer` is the letter that the reply settles on, `extractor` what has to fire, `hard` whether the reply
was made to mislead, `open` why it is misread today.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.vote import same_answer
from prompts.choice import body, explain, read
from prompts.reading import CLASSES, EXTRACTORS
from storage.records import Question, Reading, folded

REPLIES = [json.loads(line) for line in Path(__file__).with_name("replies.jsonl").read_text("utf-8").splitlines()]
EAST = Question("Rik walks east.", "Which way does Rik walk?", ("south", "east", "north", "west"), answer="B")
ZH = Question("小明向东走。", "小明往哪边走？", ("南", "东", "北", "西"), answer="B")
NAMES = Question("A says that B lies. B says nothing.", "Who lies?", ("A", "B", "both", "neither"))


def asked(row: dict) -> Question:
    return Question("p", "q", tuple(row["options"]))


def params(rows: list[dict]) -> list:
    return [
        pytest.param(row, marks=pytest.mark.xfail(strict=True, reason=row["open"]) if "open" in row else (), id=f"{n}")
        for n, row in enumerate(rows, 1)
    ]


@pytest.mark.parametrize("row", params(REPLIES))
def test_a_reply_says_what_the_table_says(row):
    found, question = read(row["reply"], asked(row)), asked(row)
    under = {None: None, **same_answer(question.options)}

    assert (under[row["answer"]], row.get("extractor")) == (under[found.answer], found.extractor)


@pytest.mark.parametrize("row", params(REPLIES))
def test_where_the_extractor_fired_is_what_it_read(row):
    found = read(row["reply"], asked(row))

    assert (found.at is None) == (found.extractor == "unreadable")
    said = "" if found.at is None else folded(row["reply"][slice(*found.at)]).casefold()
    if found.extractor == "option-text":
        option = folded(row["options"][asked(row).letters.index(found.answer)])
        assert " ".join(option.casefold().strip(".").split()) in said.replace("*", "")
    elif found.answer:
        assert found.answer.casefold() in said
    if "open" in row:
        pytest.fail(row["open"])


def test_the_table_is_large_hard_and_of_both_languages():
    chinese = [row for row in REPLIES if asked(row).language == "zh"]

    assert len(REPLIES) >= 650
    assert sum(row["hard"] for row in REPLIES) >= len(REPLIES) / 2
    assert len(chinese) >= 100
    assert {*EXTRACTORS, *CLASSES} == {row["extractor"] for row in REPLIES if "extractor" in row}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Rik turns. Answer: B, east.", "Answer: B"),
        ("Answer: A\nNo.\n**Final answer:** (B).", "**Final answer:** (B"),
        ("<think>Answer: A</think> So the correct option is **B**.", "correct option is **B"),
        ("The answer:\n\n  B) east\n", "The answer:\n\n  B) east"),
        ("Answer: east (B), not west.", "Answer: east (B)"),
        ("Answer: A or B, I cannot say.", "Answer: A or B"),
        ("Option A is wrong. Option B is correct.", "Option B is correct"),
        ("He turned.\n\n **B** \n", "B"),
        ("ﬁrst the ﬂag, ㍿ and ①.\nﬁnally… Ａｎｓｗｅｒ： Ｂ！", "Ａｎｓｗｅｒ： Ｂ"),
        ("cafe\u0301 ½ ㈱ ﷺ Answer: B", "Answer: B"),
        ("㈠右转。㈡面向东……所以选Ｂ。", "选Ｂ"),
        ("I walked. Sorry, I cannot answer that.", "I cannot answer"),
        ("Facing north.\nAnswer:", "Answer:"),
    ],
)
def test_places_are_those_of_the_reply_as_given(reply, said):
    start, end = read(reply, EAST).at

    assert said == reply[start:end]


def test_options_of_one_text_are_one_answer():
    twins = Question("p", "Which?", ("le chat", "la vache", "le chien", "la  vache"))

    assert "several" == read("Answer: A or B", twins).extractor
    for reply in ("Answer: B or D", "B\nD", "Option B is correct. Option D is correct.", "Answer: D) la vache"):
        assert read(reply, twins).answer in ("B", "D")


@pytest.mark.parametrize("reply", ["A is right.", "So B.", "It is A.", "A it is.", "B is correct."])
def test_a_letter_that_is_a_person_of_the_problem_is_not_judged(reply):
    assert read(reply, EAST).extractor in ("judged", "bare")
    assert read(reply, NAMES).extractor != "judged"


@pytest.mark.parametrize(
    ("reply", "whole", "cut"),
    [
        ("Answer: B", "answer-line", "answer-line"),
        ("So \\boxed{B}, since he turned", "boxed", "boxed"),
        ("The answer is A", "cue", "truncated"),  # A dog?
        ("Answer: south", "option-text", "truncated"),  # southeast?
        ("The answer is B. Let me check ag", "cue", "cue"),
        ("B", "bare", "truncated"),
        ("Option B is correct.", "judged", "truncated"),
        ("Rik walks", "unreadable", "truncated"),
        ("I cannot answer that, for", "refused", "refused"),
        ("", "unreadable", "truncated"),
    ],
)
def test_a_reply_cut_short_counts_only_for_what_it_surely_stated(reply, whole, cut):
    assert (whole, cut) == (read(reply, EAST).extractor, read(reply, EAST, cut=True).extractor)


@pytest.mark.parametrize("question", [EAST, ZH])
def test_a_prompt_that_is_echoed_states_nothing(question):
    assert read(body(question), question).answer is None
    assert read(explain(question)[0].content, question).answer is None


PIECES = st.sampled_from(
    ["Answer", ":", " ", "\n", "A", "B", "F", "east", "答案", "：", "选", "项", "不", "是", "或", "\\boxed{", "}", "**", "(", ")",
     "the ", "correct ", "option ", "is ", "not ", "or ", "I ", "choose ", "<think>", "</think>", "Ｂ", "ﬁ", "İ", "e\u0301", "①",
     "<answer>", ".", ",", "?", "if ", "无法确定", "cannot", "\u2028", "\r", "b"]
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    st.lists(PIECES | st.text(max_size=4), max_size=30).map("".join), st.sampled_from([EAST, ZH, NAMES]), st.booleans()
)
def test_any_text_is_read_as_a_letter_or_a_class_with_its_place(reply, question, cut):
    found = read(reply, question, cut=cut)

    assert found.extractor in (EXTRACTORS if found.answer else CLASSES)
    assert found.answer is None or found.answer in question.letters
    if found.at:
        assert 0 <= found.at[0] <= found.at[1] <= len(reply)
    else:
        assert found == Reading(None, "unreadable")


HOSTILE = [
    "answer ", "the correct ", "\n", " ", "*", "answer:\n", "答案", "选", "选不", "答案：", "\\boxed{", "I choose ", "A ", "A or ", "it is ",
    "<think>", "</think>", "(", "answer is not ", "User:\n", "B\nUser: ", "Answer: B\nQuestion: ", "if the answer is B ", "Note: ", "Answer: B (", "Who?\nA) x\nB) y\n", "---\n", "B\nWho?\nAnswer: A\n", " --- who ", "答案不是", "Answer: A\u0301", "option A ", "correct option ", "B\n", "ansans", "即", "ﬁ", "so ",
]  # fmt: skip


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("piece", HOSTILE)
def test_no_hostile_reply_stops_the_reader(piece):
    # the slowest takes 3 s; a pattern of quadratic cost takes the square of 100,000 steps, a minute and more
    read((piece * 100_000)[:100_000], EAST)
