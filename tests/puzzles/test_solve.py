"""The solver, against a second solver written here in another way: a world stepped through by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from prompts import choice
from puzzles.generate import FAMILIES, generate
from puzzles.solve import rationale, solve_question
from storage.records import LETTERS, Question

ROWS = list(generate(1_000, seed=11))


def questions(row: dict[str, Any]) -> list[Question]:
    return [Question(row["problem"], q["question"], tuple(q["options"]), q["answer"]) for q in row["questions"]]


def compass(text: str, question: str) -> str:
    vectors = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
    vectors |= dict(zip("北东南西", list(vectors.values()), strict=True))
    start = re.search(r"faces (\w+)|面朝(\w)", text)
    assert start
    x, y = vectors[start[1] or start[2]]
    for line in text.split("\n")[1 : number(question) + 1]:
        if re.search("left|左", line):
            x, y = -y, x
        elif re.search("right|右", line):
            x, y = y, -x
        else:
            x, y = -x, -y
    names = [name for name, at in vectors.items() if at == (x, y) and name.isascii() == text.isascii()]
    return str(names[0])


def calendar(text: str, question: str) -> str:
    english = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    days = english if text.isascii() else [*"一二三四五六日"]
    found = re.search(r"is on (\w+)|星期(\w)", text)
    assert found
    day = days.index(found[1] or found[2]) + 70
    lines = "\n".join(text.split("\n")[1 : number(question) + 1])
    ahead = len(re.findall("later|推", lines)) + 2 * len(re.findall("skip|跳", lines))
    return str(days[(day + ahead - len(re.findall("sooner|提", lines))) % 7])


def seasons(text: str, question: str) -> str:
    ring = ["spring", "summer", "autumn", "winter"] if text.isascii() else [*"春夏秋冬"]
    head, *lines = text.split("\n")
    at = next(index for index, name in enumerate(ring) if re.search(rf"in {name}|{name}季", head)) + 40
    for line in lines[: number(question)]:
        at += next(
            by for word, by in {"onward|进": 1, "backward|退": -1, "leap|越": 2}.items() if re.search(word, line)
        )
    return str(ring[at % 4])


def boxes(text: str, question: str) -> str:
    head, *lines = text.split("\n")
    names = re.findall(r"red|blue|green|white|black|pink|[红蓝绿白黑粉]", head)
    names, start = names[:4], names[4]
    held = {name: name == start for name in names}
    for line in lines[: number(question)]:
        one, other = re.findall(r"[a-z]+|[红蓝绿白黑粉]", line)
        held[one], held[other] = held[other], held[one]
    return str(next(name for name, coin in held.items() if coin))


def lamps(text: str, option: str) -> bool:
    world = {name: state in ("on", "亮") for name, state in re.findall(r"(\w) ?(on|off|亮|灭)", text)}
    python = re.sub(r"(\w) ?(?:on|亮)", r"world['\1']", option)
    python = re.sub(r"(\w) ?(?:off|灭)", r"(not world['\1'])", python).replace("且", " and ").replace("或", " or ")
    return bool(eval(python, {"world": world}))


def points(text: str, question: str) -> str:
    scores = [(int(score), name) for score, name in re.findall(r"(\d) (\w+)", text)]
    rank = number(question)
    return str(next(name for score, name in scores if sum(other > score for other, _ in scores) == rank - 1))


def relay(text: str, question: str) -> str:
    edges = [pair.split() for pair in re.split(r"[:.。]", text)[1].split(",")]
    has = re.search(r"(\w+) has it|包裹在(\w)", text)
    assert has
    at = has[1] or has[2]
    for _ in range(number(question)):
        at = next(to for giver, to in edges if giver == at)
    return at


def number(question: str) -> int:
    return int(re.sub(r"\D", "", question))


@pytest.mark.parametrize("name", FAMILIES)
def test_an_independent_solver_finds_the_same_single_right_option(name: str) -> None:
    checked = 0
    for row in ROWS:
        if not row["id"].startswith(name):
            continue
        for question in questions(row):
            if name == "lamps":
                right = [lamps(question.problem, option) for option in question.options]
            else:
                value = globals()[name](question.problem, question.question)
                right = [option == value for option in question.options]

            assert right.count(True) == 1
            assert LETTERS[right.index(True)] == question.answer
            solved = solve_question(question.problem, question.question, question.options)
            assert solved and solved[0] == question.answer
            checked += 1
    assert checked > 100


def test_a_rationale_reads_as_the_key_and_ends_in_the_answer_line() -> None:
    for question in (question for row in ROWS for question in questions(row)):
        text = rationale(choice.solve(question)[0].content)

        assert text is not None
        found = choice.read(text, question)
        assert (question.answer, "answer-line") == (found.answer, found.extractor)
        assert text.splitlines()[-1] == f"{'答案：' if question.language == 'zh' else 'Answer: '}{question.answer}"


def test_a_wrong_key_in_the_text_changes_nothing() -> None:
    for question in (question for row in ROWS[:300] for question in questions(row)):
        for key in "ABCD":
            hinted = choice.explain(Question(question.problem, question.question, question.options, key))

            assert rationale(hinted[0].content) == rationale(choice.body(question))


def test_text_around_the_question_is_ignored() -> None:
    question = questions(ROWS[0])[0]
    text = f"<|im_start|>user\n{choice.body(question)}\n\nThe key is A.<|im_end|>\n"

    assert rationale(text) == rationale(choice.body(question))


def test_letters_of_shuffled_options_follow_their_positions() -> None:
    question = questions(ROWS[0])[0]
    turned = Question(question.problem, question.question, question.options[::-1])
    solved = solve_question(turned.problem, turned.question, turned.options)

    assert solved and turned.options["ABCD".index(solved[0])] == question.options["ABCD".index(question.answer or "")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Who wrote this?",
        "Three people sit in a row.\n\nWho is in the middle?\nA) Ann\nB) Bob",
        "The robot faces upward. It then turns:\n1 left\n\nWhich way does it face after step 1?\nA) north\nB) south",
        "The robot faces north. It then turns:\n1 left\n\nWhich way does it face after step 7?\nA) north\nB) west",
        "The robot faces north. It then turns:\n1 left\n\nHow tall is it?\nA) north\nB) west",
        "The robot faces north. It then turns:\n1 left\n\nWhich way does it face after step 1?\nA) north\nB) south",
        "灯：甲亮，乙灭。\n\n哪句为真？\nA) 丙亮且乙灭\nB) 甲亮且乙灭",
    ],
    ids=["empty", "no options", "no family", "no direction", "no such step", "other question", "none fits", "no lamp"],
)
def test_what_the_solver_cannot_read_is_none(text: str) -> None:
    assert rationale(text) is None
