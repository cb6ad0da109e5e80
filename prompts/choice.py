"""Multiple choice: ask for reasoning that ends in an answer line, and read the letter back.

`solve` is the one prompt of training, evaluation and serving; `explain` asks a teacher for a
rationale and shows it the key; `read`, of `prompts.reading`, turns any reply into a letter or an abstention.
A change of wording raises VERSION, which is part of every key that depends on it; a change of reading
changes those keys by itself, for they hold the code's own digest.
"""

from __future__ import annotations

from collections.abc import Mapping

from prompts.reading import read
from storage.records import LETTERS, Message, Question

__all__ = ["TEMPLATE", "VERSION", "answer_line", "body", "explain", "forced", "read", "solve"]

VERSION = "choice/2"

_SOLVE = {
    "en": 'Take whatever is not stated as false. Reason step by step and end with the line "Answer: X".',
    "zh": "未说明的一律视为假。逐步推理，最后一行写“答案：X”。",
}
# what is asked of a whole text, question and options: solve() without its parts
TEMPLATE: Mapping[str, str] = {language: f"{{question}}\n\n{words}" for language, words in _SOLVE.items()}
_EXPLAIN = {
    "en": (
        "Take whatever is not stated as false. Reason step by step from the text alone, test each option, "
        "and write as if you had not been told the key. The key is {key}; if your own reasoning leads "
        'elsewhere, follow your reasoning. End with the line "Answer: X".'
    ),
    "zh": (
        "未说明的一律视为假。只依据题文逐步推理，逐一检验选项，行文如同事先不知道答案。"
        "参考答案是 {key}；若你的推理得出别的结论，以推理为准。最后一行写“答案：X”。"
    ),
}


def body(question: Question) -> str:
    """Problem, question and lettered options, as every prompt shows them."""
    options = "\n".join(f"{letter}) {text}" for letter, text in zip(LETTERS, question.options, strict=False))
    asked = f"{question.problem}\n\n{question.question}" if question.problem.strip() else question.question
    return f"{asked}\n{options}"


def solve(question: Question) -> list[Message]:
    """Messages that ask for the answer; the key is not in them."""
    return [Message("user", f"{body(question)}\n\n{_SOLVE[question.language]}")]


def explain(question: Question) -> list[Message]:
    """Messages that show a teacher the key and ask for a rationale. ValueError without a key."""
    if question.answer is None:
        raise ValueError(f"question {question.id} has no key to explain")
    return [Message("user", f"{body(question)}\n\n{_EXPLAIN[question.language].format(key=question.answer)}")]


def forced(question: Question) -> str:
    """The start of a reply after which the next token can only be a letter."""
    return "答案：" if question.language == "zh" else "Answer:"


def answer_line(question: Question) -> str:
    """The line that a right reply ends with. ValueError without a key."""
    if question.answer is None:
        raise ValueError(f"question {question.id} has no key")
    return f"答案：{question.answer}" if question.language == "zh" else f"Answer: {question.answer}"
