"""Multiple choice: ask for reasoning that ends in an answer line, and read the letter back.

`solve` is the one prompt of training, evaluation and serving; `explain` asks a teacher for a
rationale and shows it the key; `read` turns any reply into a letter or an abstention.
A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re
import unicodedata

from storage.records import LETTERS, Message, Question, Reading

VERSION = "choice/1"

_SOLVE = {
    "en": 'Take whatever is not stated as false. Reason step by step and end with the line "Answer: X".',
    "zh": "未说明的一律视为假。逐步推理，最后一行写“答案：X”。",
}
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
    return f"{question.problem}\n\n{question.question}\n{options}"


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


_CUE = (
    r"(?:(?:final\s+|correct\s+|right\s+)?answer\s*(?:is|=|:)?\s*:?|"
    r"(?:最终|正确|参考)?(?:答案|选项)\s*(?:应该|应当|应)?(?:是|为|选|:)?\s*:?|"
    r"(?:故|因此|所以|应该?|我)?选择?\s*:?)"
)
_WRAP = r"[\s*_`\"'“”‘’(\[{<【《「]*"
_LETTER = r"(?P<letter>(?-i:[A-Z]))(?![A-Za-z0-9])"
_ANSWER_LINE = re.compile(
    rf"^{_WRAP}(?:final\s+)?(?:answer|(?:最终|正确)?答案){_WRAP}(?:is|是|为)?{_WRAP}[:：]{_WRAP}"
    rf"(?:option|选项)?{_WRAP}{_LETTER}",
    re.IGNORECASE | re.MULTILINE,
)
_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\(?:text|mathrm|mathbf)\s*\{)?\s*(?P<letter>[A-Z])\s*\}")
_CUED = re.compile(rf"{_CUE}{_WRAP}(?:option|选项)?{_WRAP}{_LETTER}", re.IGNORECASE)
_BARE = re.compile(rf"^{_WRAP}{_LETTER}[\s*_`\"'”’)\].。】》」:]*$", re.MULTILINE)
_THINK = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)


def read(reply: str, question: Question) -> Reading:
    """The letter that the reply settles on, and the extractor that found it.

    Extractors in order: an answer line, a boxed letter, a cue such as "the answer is", a line that
    is a letter alone, an answer line that holds an option's text. Within one extractor the last hit
    counts: a model may change its mind. A letter outside the options is no answer. No hit, or text
    that ends inside `<think>`, abstains: `Reading(None, "unreadable")`.
    """
    text = unicodedata.normalize("NFKC", _THINK.sub("", reply))
    for name, pattern in (("answer-line", _ANSWER_LINE), ("boxed", _BOXED), ("cue", _CUED), ("bare", _BARE)):
        hits = [m["letter"].upper() for m in pattern.finditer(text)]
        if hits:
            return Reading(hits[-1], name) if hits[-1] in question.letters else Reading(None, "outside")
    return _option_text(text, question) or Reading(None, "unreadable")


_TEXT_LINE = re.compile(
    r"^\W*(?:final\s+)?(?:answer|答案)\W*(?:is|是|为)?\s*:\s*(?P<text>.+?)\s*$", re.IGNORECASE | re.MULTILINE
)


def _option_text(text: str, question: Question) -> Reading | None:
    lines = [_plain(m["text"]) for m in _TEXT_LINE.finditer(text)]
    if not lines:
        return None
    hits = [letter for letter, option in zip(LETTERS, question.options, strict=False) if _plain(option) == lines[-1]]
    return Reading(hits[0], "option-text") if len(hits) == 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[\s*_`\"'“”.。]+", " ", unicodedata.normalize("NFKC", text)).strip().lower()
