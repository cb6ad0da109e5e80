"""The multiple-choice prompt, and what its parser makes of replies that models really write."""

import time

import pytest

from prompts.choice import explain, forced, read, solve
from storage.records import Question

EAST = Question("Rik walks east.", "Which way does Rik walk?", ("south", "east", "north", "west"), answer="B")
ZH = Question("小明向东走。", "小明往哪边走？", ("南", "东", "北", "西"), answer="B")
PETS = Question("Mia has a pet.", "What is it?", ("A dog", "A cat", "C major", "None of the above"))
NAMES = Question("p", "Who lies?", ("B", "A", "D", "C"))
LOWER = Question("p", "Which symbol?", ("b", "a", "x", "y"))
TWINS = Question("p", "Which?", ("le chat", "la vache", "le chien", "la vache"))
NUMBERS = Question("p", "How many?", ("1", "2", "3", "4"))
LISTS = Question("p", "Which list?", ("[a, b]", "[b, a]", "[a]", "[]"))
PAIRS = Question("p", "Which hold?", ("A and B", "only B", "A only", "neither"))
TWO = Question("p", "Is it so?", ("yes", "no"))

READ = [
    # the line that was asked for
    (EAST, "Rik walks east.\nAnswer: B", "B", "answer-line"),
    (EAST, "Answer:B", "B", "answer-line"),
    (EAST, "answer: B.", "B", "answer-line"),
    (EAST, "ANSWER: (B)", "B", "answer-line"),
    (EAST, "Final Answer: B", "B", "answer-line"),
    (EAST, "**Answer: B**", "B", "answer-line"),
    (EAST, "**Answer:** B", "B", "answer-line"),
    (EAST, "**Final answer**: **B**", "B", "answer-line"),
    (EAST, "### Answer: `B`", "B", "answer-line"),
    (EAST, "Answer: [B]", "B", "answer-line"),
    (EAST, 'Answer: "B"', "B", "answer-line"),
    (EAST, "Answer: 'B'", "B", "answer-line"),
    (EAST, "Answer: _B_", "B", "answer-line"),
    (EAST, "Answer: $B$", "B", "answer-line"),
    (EAST, "Answer: option B", "B", "answer-line"),
    (EAST, "Answer: Option (B)", "B", "answer-line"),
    (EAST, "Answer: B) east", "B", "answer-line"),
    (EAST, "Answer: B. east", "B", "answer-line"),
    (EAST, "Answer: B east", "B", "answer-line"),
    (EAST, "Answer: B, because Rik walks east.", "B", "answer-line"),
    (EAST, "Answer: B because Rik walks east.", "B", "answer-line"),
    (EAST, "Answer: B - he walks east", "B", "answer-line"),
    (EAST, "The correct answer is: B", "B", "answer-line"),
    (EAST, "Answer:\n\nB", "B", "answer-line"),
    (EAST, "Answer: b", "B", "answer-line"),
    (EAST, "> Answer: B", "B", "answer-line"),
    (EAST, "Ａｎｓｗｅｒ：Ｂ", "B", "answer-line"),
    (ZH, "小明向东走。\n答案：B", "B", "answer-line"),
    (ZH, "答案:B", "B", "answer-line"),
    (ZH, "答案：Ｂ", "B", "answer-line"),
    (ZH, "**答案：B**", "B", "answer-line"),
    (ZH, "**答案**：B。", "B", "answer-line"),
    (ZH, "【答案】：B", "B", "answer-line"),
    (ZH, "答案：选项 B", "B", "answer-line"),
    (ZH, "答案：选项Ｂ", "B", "answer-line"),
    (ZH, "答案：（B）", "B", "answer-line"),
    (ZH, "答案：B、东", "B", "answer-line"),
    (ZH, "答案：B.东", "B", "answer-line"),
    (ZH, "正确答案是：B", "B", "answer-line"),
    (ZH, "最终答案：“B”", "B", "answer-line"),
    # a list of the options before the line
    (EAST, "A) south no. B) east yes. C) north no. D) west no.\nAnswer: B", "B", "answer-line"),
    (EAST, "A) south: no\nB) east: yes\nC) north: no\nD) west: no\nAnswer: B", "B", "answer-line"),
    (ZH, "选项 A 错误。选项 B 正确。选项 C 错误。\n答案：B", "B", "answer-line"),
    (EAST, "Option A is wrong. Option C is wrong.\nAnswer: B\nOption D is wrong too.", "B", "answer-line"),
    # boxed
    (EAST, r"So \boxed{B}", "B", "boxed"),
    (EAST, r"Hence $\boxed{\text{B}}$ is final.", "B", "boxed"),
    (EAST, r"\[ \boxed{B) east} \]", "B", "boxed"),
    (EAST, r"\boxed{ \mathrm{B} }", "B", "boxed"),
    (EAST, r"\boxed{east}", "B", "option-text"),
    # cues
    (EAST, "So the answer is B.", "B", "cue"),
    (EAST, "so the correct answer is (B), east.", "B", "cue"),
    (EAST, "The answer is therefore B.", "B", "cue"),
    (EAST, "The answer must be **B**.", "B", "cue"),
    (EAST, "The correct option is B.", "B", "cue"),
    (EAST, "I would choose B.", "B", "cue"),
    (EAST, "I'll go with option B, not A.", "B", "cue"),
    (EAST, "The answer is B, not A.", "B", "cue"),
    (EAST, "Therefore the answer is east.", "B", "option-text"),
    (ZH, "所以答案是B。", "B", "cue"),
    (ZH, "因此选B。", "B", "cue"),
    (ZH, "故选：B", "B", "cue"),
    (ZH, "应该选择 B 选项。", "B", "cue"),
    (ZH, "正确选项为 B", "B", "cue"),
    (ZH, "正确的是选项B。", "B", "cue"),
    (ZH, "答案应为 B，因为他向东走。", "B", "cue"),
    (ZH, "答案显然是 B", "B", "cue"),
    # a changed mind: the last stated answer
    (EAST, "Answer: A\nWait, he turned.\nAnswer: B", "B", "answer-line"),
    (EAST, "Answer: A\nNo, that is south. The correct answer is B.", "B", "cue"),
    (EAST, r"The answer is A. Let me check again. \boxed{B}", "B", "boxed"),
    (ZH, "答案：A\n不对，重新检查。\n答案：B", "B", "answer-line"),
    (ZH, "先以为选A，其实应选B。", "B", "cue"),
    # thinking is not an answer
    (EAST, "<think>Answer: A?</think>Answer: B", "B", "answer-line"),
    (EAST, "<think>\nthe answer is C\n</think>\n\nB", "B", "bare"),
    (EAST, "maybe the answer is A\n</think>\nAnswer: B", "B", "answer-line"),
    # a letter or a judgement, if there is but one
    (EAST, "B", "B", "bare"),
    (EAST, " (B) ", "B", "bare"),
    (EAST, "**B.**", "B", "bare"),
    (EAST, "Rik walks east.\n\nB", "B", "bare"),
    (EAST, "B) east", "B", "bare"),
    (EAST, "Option B", "B", "bare"),
    (EAST, "Therefore, (B).", "B", "bare"),
    (ZH, "选项 B", "B", "bare"),
    (ZH, "选项：B", "B", "bare"),
    (ZH, "所以 B。", "B", "bare"),
    (EAST, "Option A is incorrect. Option B is correct.", "B", "judged"),
    (EAST, "B is the correct answer.", "B", "judged"),
    (ZH, "选项A错误，选项B正确。", "B", "judged"),
    # an option's text in place of the letter
    (EAST, "Answer: east", "B", "option-text"),
    (EAST, "Answer: East.", "B", "option-text"),
    (ZH, "答案：东", "B", "option-text"),
    (EAST, "east", "B", "option-text"),
    (PETS, "Answer: A dog", "A", "option-text"),
    (PETS, "The answer is A cat", "B", "option-text"),
    (PETS, "Answer: C major", "C", "option-text"),
    (PETS, "Answer: None of the above", "D", "option-text"),
    (NUMBERS, "Answer: 3", "C", "option-text"),
    (LISTS, "Answer: [b, a]", "B", "option-text"),
    (LISTS, "Answer: B) [b, a]", "B", "answer-line"),
    (PAIRS, "Answer: A and B", "A", "option-text"),
    (TWINS, "Answer: la vache", "B", "option-text"),
    (TWINS, "Answer: D) la vache", "D", "answer-line"),
    (TWO, "Answer: no", "B", "option-text"),
    # options that are letters: the line asks for the option's letter
    (NAMES, "Answer: B", "B", "answer-line"),
    (NAMES, "Answer: B) A", "B", "answer-line"),
]

ABSTAINS = [
    (EAST, "", "unreadable"),
    (EAST, "Rik walks east because he says so.", "unreadable"),
    (EAST, "<think>The answer is B", "unreadable"),
    (EAST, "Answer: X", "outside"),
    (TWO, "Answer: C", "outside"),
    (TWO, "C", "outside"),
    (TWO, r"\boxed{D}", "outside"),
    (EAST, "Answer: B\nOn reflection, Answer: F", "outside"),
    (EAST, "Answer: A or B", "several"),
    (EAST, "The answer is A and B.", "several"),
    (EAST, "Answer: A, B", "several"),
    (EAST, "Answer: A/B", "several"),
    (ZH, "答案：A或B", "several"),
    (ZH, "答案：A、B", "several"),
    (ZH, "答案是A和B都正确", "several"),
    (EAST, "Answer: A) east", "several"),
    (LOWER, "Answer: b", "several"),
    (EAST, "A\nB\nC\nD", "several"),
    (EAST, "A) south\nB) east\nC) north\nD) west", "several"),
    (EAST, "Option A is correct. Option B is correct.", "several"),
    (EAST, "Answer: None of the above", "refused"),
    (EAST, "The answer cannot be determined.", "refused"),
    (EAST, "Answer: cannot be determined", "refused"),
    (EAST, "Answer: unknown", "refused"),
    (ZH, "答案：无法确定", "refused"),
    (ZH, "答案：以上都不对", "refused"),
    (EAST, "I cannot answer that.", "unreadable"),
    (EAST, "As an AI model I can't help.", "unreadable"),
    (EAST, "The answer is A dog.", "unreadable"),
    (EAST, "The answer is A question of taste", "unreadable"),
    (EAST, "Answer: I think he walks", "unreadable"),
    (EAST, "The answer is Certainly not here", "unreadable"),
    (EAST, "Answer: D'Artagnan", "unreadable"),
    (EAST, "Answer: A-frame", "unreadable"),
    (EAST, "Answer: A = 3", "unreadable"),
    (EAST, "Answer: the second one", "unreadable"),
    (EAST, "If the answer is A, then he walks south.", "unreadable"),
    (EAST, "A is not the answer.", "unreadable"),
    (EAST, "Option A is incorrect.", "unreadable"),
    (EAST, "Answer A is wrong.", "unreadable"),
    (ZH, "不选A。", "unreadable"),
    (ZH, "不应该选A。", "unreadable"),
    (ZH, "若选A，则矛盾。", "unreadable"),
    (ZH, "如果答案是A，则矛盾。", "unreadable"),
    (ZH, "选项 A 错误。", "unreadable"),
    (ZH, "答案是B的父亲", "unreadable"),
    (ZH, "选择题 1：我不知道", "unreadable"),
]


@pytest.mark.parametrize(("question", "reply", "letter", "extractor"), READ)
def test_a_stated_answer_is_read(question, reply, letter, extractor):
    found = read(reply, question)

    assert (letter, extractor) == (found.answer, found.extractor)


@pytest.mark.parametrize(("question", "reply", "extractor"), ABSTAINS)
def test_what_states_no_answer_abstains(question, reply, extractor):
    found = read(reply, question)

    assert (None, extractor) == (found.answer, found.extractor)


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


def test_a_long_reply_is_read_in_no_time():
    hostile = "answer " * 4_000 + "\n" * 20_000 + " " * 20_000 + "*" * 20_000 + "the correct " * 5_000
    start = time.perf_counter()

    assert read(hostile + "\nAnswer: B", EAST).answer == "B"
    assert time.perf_counter() - start < 5
