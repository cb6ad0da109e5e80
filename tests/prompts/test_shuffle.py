"""Options in another order: which questions allow it, and that a rationale's letters follow or there is none."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import choice
from prompts.shuffle import ALIKE, NAMED, REFER, anchored, orders, rearranged, reletter
from storage.records import LETTERS, Question

FOUR = ("west", "east", "south", "north")


def asked(
    *options: str, question: str = "Which way?", problem: str = "The plane turns.", answer: str = "A"
) -> Question:
    return Question(problem, question, options or FOUR, answer)


@pytest.mark.parametrize(
    "options",
    [
        ("west", "east", "A and B", "north"),
        ("west", "east", "Both A and B"),
        ("west", "east", "neither A nor B"),
        ("减去1个单位", "减去2个单位", "减去3个单位", "A和B"),
        ("吃药", "A、B", "睡觉"),
        ("one", "two", "a and b"),
        ("one", "two", "(b)"),
        ("A", "B", "C", "无"),
        ("c", "d", "e"),
        ("Ａ", "东"),
        ("one", "two", "All of the above"),
        ("one", "two", "none of these"),
        ("one", "two", "None"),
        ("one", "two", "both"),
        ("one", "two", "Neither of them"),
        ("one", "two", "the former"),
        ("one", "two", "No option fits"),
        ("是", "否", "以上都不对"),
        ("是", "否", "以上皆非"),
        ("南希", "杰夫", "上述全部"),
        ("东", "西", "两者都可以"),
        ("东", "西", "都不是"),
        ("45", "65", "没有一个选项满足规则"),
        ("东", "西", "前两项"),
        ("东", "西", "第一项"),
    ],
)
def test_options_that_speak_of_letters_or_of_each_other_stay(options: tuple[str, ...]) -> None:
    assert REFER == anchored(asked(*options))


@pytest.mark.parametrize(
    "options",
    [
        FOUR,
        ("A dog", "A cat", "A bird"),
        ("是", "否"),
        ("1", "2", "3"),
        ("红队先走", "蓝队先走"),
        ("I and II only", "II and III only"),
        ("True", "False", "Unknown"),
        ("bed", "cab"),
    ],
)
def test_options_that_speak_of_themselves_alone_may_change_places(options: tuple[str, ...]) -> None:
    assert anchored(asked(*options)) is None


@pytest.mark.parametrize(
    ("question", "problem", "why"),
    [
        ("Is option B right?", "p", NAMED),
        ("选项A和选项B哪个对？", "题", NAMED),
        ("Which of A and C is it?", "p", NAMED),
        ("Who sits next to B?", "A, B and C sit in a row.", None),  # a person
        ("选择题 1：以下哪个选项是正确的？", "题", None),
        ("Which way does a robot go?", "A robot turns.", None),
    ],
)
def test_a_question_that_names_options_stays(question: str, problem: str, why: str | None) -> None:
    assert why == anchored(asked(question=question, problem=problem))


def test_options_that_read_alike_stay() -> None:
    assert ALIKE == anchored(asked("east", "East ", "west"))


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_with_the_question_itself_each_letter_is_the_key_once(size: int) -> None:
    for answer in LETTERS[:size]:
        question = asked(*FOUR[:2], *"xyz"[: size - 2], answer=answer)
        keys = [answer, *(rearranged(question, order).answer for order in orders(question, size - 1))]

        assert Counter(LETTERS[:size]) == Counter(keys)


@given(st.integers(2, 6), st.integers(0, 12), st.data())
def test_orders_are_different_and_of_the_content_alone(size: int, count: int, data: st.DataObject) -> None:
    answer = data.draw(st.sampled_from(LETTERS[:size]))
    question = asked(*(f"option text {n}" for n in range(size)), answer=answer)
    found = list(orders(question, count))

    assert len(found) == len({*found, tuple(range(size))}) - 1
    assert found == list(orders(question, count + 3))[: len(found)]
    for order in found:
        after = rearranged(question, order)
        assert sorted(after.options) == sorted(question.options)
        assert after.options[LETTERS.index(after.answer or "")] == question.options[LETTERS.index(answer)]


MOVED = (1, 2, 0, 3)  # east A, south B, west C, north D: A→C, B→A, C→B


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("So west.\nAnswer: A", "So west.\nAnswer: C"),
        ("A) west A\nB) east B\nC) south C\nD) north D\nSo west A\nAnswer: A",
         "A) east A\nB) south B\nC) west C\nD) north D\nSo west C\nAnswer: C"),
        ("Option B fails, C is impossible. **A** holds.\nAnswer: A", "Option A fails, B is impossible. **C** holds.\nAnswer: C"),
        ("B and D contradict it, so A is right.\nAnswer: A", "A and D contradict it, so C is right.\nAnswer: C"),
        ("选项B不成立，C、D也不成立，所以选A。\n答案：A", "选项A不成立，B、D也不成立，所以选C。\n答案：C"),
        ("A plane turns. The plane ends west (A).\nAnswer: A", "A plane turns. The plane ends west (C).\nAnswer: C"),
        ("It is west: \\boxed{A}", "It is west: \\boxed{C}"),
        ("NASA is in the USA; a plan B's.\nAnswer: A", "NASA is in the USA; a plan B's.\nAnswer: C"),
    ],
)  # fmt: skip
def test_letters_follow_their_options(before: str, after: str) -> None:
    assert after == reletter(before, asked(), MOVED)


@pytest.mark.parametrize(
    "text",
    [
        "The first option holds.\nAnswer: A",
        "第二个选项不对。\n答案：A",
        "前两项不对。\n答案：A",
        "B to D are out.\nAnswer: A",
        "Only option (b) fails.\nAnswer: A",
        "Let A be the first turn.\nAnswer: A",
        "If A = 3 then it is west.\nAnswer: A",
        "A → B, so west.\nAnswer: A",
        "设A为起点。\n答案：A",
        "Vitamin C is needed.\nAnswer: A",
        "A wizard did it.\nAnswer: A",  # an article, or does option A wizard?
        "Ａ正确。\n答案：A",
        "So west.",  # no letter can be read
        "Answer: B",  # not the key
    ],
)
def test_a_rationale_whose_letters_are_not_clear_is_not_rewritten(text: str) -> None:
    assert reletter(text, asked(), MOVED) is None


def test_where_the_problem_has_people_named_by_letters_only_plain_option_letters_are_rewritten() -> None:
    people = asked(problem="A, B and C sit in a row. A is left of B.", question="Who is in the middle?")

    assert reletter("It is the second.\nAnswer: A", people, MOVED) == "It is the second.\nAnswer: C"
    assert reletter("A sits left of B.\nAnswer: A", people, MOVED) is None


@given(
    st.permutations(range(4)),
    st.sampled_from("ABCD"),
    st.lists(st.sampled_from(["A fails.", "So not B.", "(C) no.", "选项D不对。"])),
)
def test_there_and_back_is_the_same_text(order: list[int], answer: str, lines: list[str]) -> None:
    question = asked(answer=answer)
    text = " ".join([*lines, f"\nAnswer: {answer}"])
    there = reletter(text, question, order)
    back = [order.index(place) for place in range(4)]

    assert there is not None
    assert choice.read(there, rearranged(question, order)).answer == rearranged(question, order).answer
    assert reletter(there, rearranged(question, order), back) == text
