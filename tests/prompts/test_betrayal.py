"""betrays: what shows that a rationale was told the key, and what only sounds like it."""

import pytest

from prompts.betrayal import betrays

BETRAYALS = [
    "As the given answer says, Rik sits left.",
    "The key is B, so Mia must be the knight.",
    "The key is **B**; the clues agree.",
    "The key: C. We test each option.",
    "Since we know the answer is C, clue 2 must hold.",
    "Since we know that the correct answer is D, look at clue 1.",
    "According to the reference answer, the lamp is red.",
    "This agrees with the provided key.",
    "The provided key says A.",
    "The answer key indicates that option C holds.",
    "According to the answer key, it is Tom.",
    "According to the key, it is Tom.",
    "So it is option B, which matches the key.",
    "Given that the correct answer is B, clue 3 is decisive.",
    "Because the answer is B, the red lamp must be off.",
    "We are told that the answer is B.",
    "I was told the key, and it fits.",
    "The answer given in the prompt is C.",
    "The answer is already given as D.",
    "The prompt states that the correct answer is C.",
    "You told me the answer is A, and indeed it is.",
    "Working backwards from the answer, box 2 is empty.",
    "Let us work back from the known answer.",
    "According to the hint, B is right.",
    "As hinted, the second option holds.",
    "I write as if I had not been told the key.",
    "I will pretend I don't know the answer.",
    "This is the expected answer.",
    "The result equals the ground truth.",
    "Knowing the answer beforehand is no help; the official answer is B.",
    "与参考答案一致，所以选B。",
    "参考答案是 B，因此小明坐在左边。",
    "已知答案是B，下面验证。",
    "题目给出的答案是C。",
    "题中所给答案为 A，符合条件。",
    "根据提示，答案是B。",
    "如提示所说，应选C。",
    "根据给定的答案，小红是骑士。",
    "既然答案是B，那么小明在左边。",
    "由于正确答案为 D，第三条必成立。",
    "因为我们已经知道答案，只需验证。",
    "我们被告知答案是A。",
    "假装不知道答案，逐条推理。",
    "既然答案选B那么灯是红的。",
    "从答案倒推，可得第二个箱子是空的。",
    "这与答案B一致。",
    "标准答案选C。",
    "答案已给出，为B。",
    "按照提供的正确答案，灯是红的。",
    "行文如同事先不知道答案。",
]
HONEST = [
    "So the answer is B.",
    "Therefore, the correct answer is B.\nAnswer: B",
    "Answer key: B",
    "If the answer is B, clue 2 fails.",
    "Suppose the answer is A; then Rik lies.",
    "The key is in box B.",
    "The key is B's, for Ava has none.",
    "The key is a red one.",
    "The key is to note that each lamp is used once.",
    "The key insight: only Tom can be left of Mia.",
    "The song's key is C minor, so the key is C minor in bar two.",
    "Rik's lock matches the key.",
    "He opens the door without using the key.",
    "The teacher lost the answer key in the hall.",
    "The answer key lies in Mia's drawer.",
    "Mia was told the answer by Rik.",
    "The answer given by Rik is false.",
    "None of the given answers but B fits.",
    "The given answer choices leave only C.",
    "We are told the key is under the mat.",
    "We are told that the answer to the first question is no.",
    "From clue 3 we know the answer is not C.",
    "Thus we know the answer is B.",
    "Working backwards from step 5, the coin is in box 2.",
    "Given that the given numbers are even, D falls.",
    "The hint in clue 2 is what decides it.",
    "Clue 4 matches the key clue.",
    "As the lamp is red, the answer is C.",
    "Press the key A twice, then the key B.",
    "It is known that the answer must be even.",
    "According to the key of the map, blue is water.",
    "所以答案是B。",
    "综上，正确答案为 C。\n答案：C",
    "答案：B",
    "如果答案是A，则与第二条矛盾。",
    "因为答案是A的话会与条件2矛盾，排除A。",
    "选B，因为答案是唯一的。",
    "根据提示3，小明不在左边。",
    "根据题意，已知小明在左边。",
    "钥匙在B箱里。",
    "关键是第三条线索。",
    "密钥是3，所以A变成D。",
    "小红给出的答案是错的。",
    "题目给出的答案选项中只有B符合。",
    "题目给出的答案中，只有C成立。",
    "证人提供的答案前后不一。",
    "小明不知道答案，小红知道。",
    "每个学生的答案纸上都有名字。",
    "已知答案纸上有三个名字。",
    "根据选项B，灯是红的，与条件一致。",
    "从结果倒推第五步，硬币在二号盒。",
    "答案已经很明显了。",
]


@pytest.mark.parametrize("text", BETRAYALS)
def test_a_rationale_that_was_told_the_key_betrays_itself(text: str) -> None:
    assert betrays(text)
    assert betrays(f"First, {text} Then the rest follows.\nAnswer: B")


@pytest.mark.parametrize("text", HONEST)
def test_an_honest_rationale_betrays_nothing(text: str) -> None:
    assert betrays(text) is None


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Clue 1 holds. The **given   answer**\nis B, as clue 2 says.", "The given answer"),
        ("由此可知，与参考答案一致。", "参考答案"),
        ("Tom is left. As hinted, the key is B.", "As hinted"),
    ],
)
def test_the_phrase_is_the_first_one_without_markup(text: str, phrase: str) -> None:
    assert phrase == betrays(text)


@pytest.mark.parametrize(
    ("puzzle", "text"),
    [
        ("A cipher's key is a letter. Which key opens the text?", "The key is B, for D becomes E."),
        ("Mia reads the answer key to the class.", "According to the answer key that Mia reads, Tom passes."),
        ("Each box has a lock; one lock matches the key.", "So it is box 2, which matches the key."),
        ("Each box has a lock; one lock matches the key.", "Only box 2 matches the given key."),
        ("根据以下提示回答：小明在左。", "根据提示，小明在左边。"),
        ("老师把参考答案放在抽屉里。", "参考答案在抽屉里，所以选B。"),
    ],
)
def test_what_the_puzzle_speaks_of_is_no_betrayal(puzzle: str, text: str) -> None:
    assert betrays(text)
    assert betrays(text, puzzle) is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "the key is " * 10_000,
        "as if we told " * 8_000,
        "pretend to pretend to " * 5_000,
        "since we already already " * 4_000,
        "the (" * 25_000,
        " " * 100_000,
        "根据" * 50_000,
        "从由根据" * 25_000,
        "a" * 100_000,
        "已" * 100_000,
        "*_" * 50_000,
    ],
)
def test_a_text_of_100000_characters_is_read_in_one_go(text: str) -> None:
    betrays(text)
