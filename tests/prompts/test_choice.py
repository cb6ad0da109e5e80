"""The multiple-choice prompt: what it shows, and that what it asks for is read."""

import pytest

from prompts.choice import explain, forced, read, solve
from storage.records import Question

EAST = Question("Rik walks east.", "Which way does Rik walk?", ("south", "east", "north", "west"), answer="B")
ZH = Question("小明向东走。", "小明往哪边走？", ("南", "东", "北", "西"), answer="B")
PETS = Question("Mia has a pet.", "What is it?", ("A dog", "A cat", "C major", "None of the above"))


@pytest.mark.parametrize("question", [EAST, ZH])
def test_what_the_prompt_asks_for_is_read(question):
    for letter in question.letters:
        assert read(f"{forced(question)} {letter}", question).answer == letter


@pytest.mark.parametrize("question", [EAST, ZH])
def test_the_prompt_shows_every_option_and_never_the_key(question):
    (message,) = solve(question)

    assert all(f"{letter}) {text}" in message.content for letter, text in zip("ABCD", question.options, strict=True))
    assert read(message.content, question).answer is None
    assert solve(Question(question.problem, question.question, question.options)) == solve(question)


def test_the_teacher_sees_the_key_and_cannot_be_asked_without_one():
    assert "The key is B" in explain(EAST)[0].content
    assert "参考答案是 B" in explain(ZH)[0].content
    with pytest.raises(ValueError, match="no key"):
        explain(PETS)
