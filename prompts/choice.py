"""Multiple choice: ask for reasoning that ends in an answer line, and read the letter back.

`solve` is the one prompt of training, evaluation and serving; `explain` asks a teacher for a
rationale and shows it the key; `read`, of `prompts.reading`, turns any reply into a letter or an abstention.
A change of wording raises VERSION, which is part of every key that depends on it; a change of reading
changes those keys by itself, for they hold the code's own digest. `Choice` is the same in a recipe's own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prompts.reading import read
from prompts.turns import placed
from storage.records import LETTERS, Message, Question

__all__ = ["HOUSE", "TEMPLATE", "VERSION", "Choice", "answer_line", "body", "explain", "forced", "read", "solve"]

VERSION = "choice/2"
CLOSED = {"en": "Take whatever is not stated as false.", "zh": "未说明的一律视为假。"}
REASON = {"en": "Reason step by step and", "zh": "逐步推理，"}
END = {"en": 'end with the line "{line}".', "zh": "最后一行写“{line}”。"}
HINTED = {
    "en": "write as if you had not been told the key. The key is {key}; if your own reasoning leads elsewhere, "
    "follow your reasoning.",
    "zh": "行文如同事先不知道答案。参考答案是 {key}；若你的推理得出别的结论，以推理为准。",
}
LINE = {"en": "Answer: X", "zh": "答案：X"}
_FROM_THE_TEXT = {
    "en": "Reason step by step from the text alone, test each option, and",
    "zh": "只依据题文逐步推理，逐一检验选项，",
}
_LETTER = re.compile(r"(?<![A-Za-z])X(?![A-Za-z])")


def solving(closed: bool = True, line: Mapping[str, str] = LINE) -> dict[str, str]:
    """The house's words below a question, by language."""
    return {
        "en": f"{_said(closed, 'en')}{REASON['en']} {END['en'].format(line=line['en'])}",
        "zh": f"{_said(closed, 'zh')}{REASON['zh']}{END['zh'].format(line=line['zh'])}",
    }


def explaining(closed: bool = True, line: Mapping[str, str] = LINE) -> dict[str, str]:
    """The house's words for a teacher that is shown the {key}, by language."""
    end = END["en"].format(line=line["en"])
    return {
        "en": f"{_said(closed, 'en')}{_FROM_THE_TEXT['en']} {HINTED['en']} {end[0].upper()}{end[1:]}",
        "zh": f"{_said(closed, 'zh')}{_FROM_THE_TEXT['zh']}{HINTED['zh']}{END['zh'].format(line=line['zh'])}",
    }


def _said(closed: bool, language: str) -> str:
    return f"{CLOSED[language]}{' ' if language == 'en' else ''}" if closed else ""


def _below(words: Mapping[str, str]) -> dict[str, str]:
    return {language: f"{{question}}\n\n{text}" for language, text in words.items()}


TEMPLATE: Mapping[str, str] = _below(solving())


@dataclass(frozen=True)
class Choice:
    """How questions are asked, by language: texts with a place for {question}, or for it and its {options} apart.

    `TEMPLATE` asks for the answer, `shown` tells a teacher the {key} as well, `line` is how a reply ends, its letter
    an X; `own` is whether these are a recipe's words.
    """

    VERSION: str = VERSION
    TEMPLATE: Mapping[str, str] = field(default_factory=lambda: TEMPLATE)
    shown: Mapping[str, str] = field(default_factory=lambda: _below(explaining()))
    line: Mapping[str, str] = field(default_factory=lambda: LINE)
    system: str | None = None
    own: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """What a key and a manifest say of a recipe's own words; nothing of the house's."""
        if not self.own:
            return {}
        words = {"TEMPLATE": dict(self.TEMPLATE), "shown": dict(self.shown), "line": dict(self.line)}
        return {"words": {"VERSION": self.VERSION, **words}}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Choice:
        """The words that a step's facts hold, else the house's."""
        return cls(**facts["words"], own=True) if facts.get("words") else HOUSE

    def solve(self, question: Question) -> list[Message]:
        """Messages that ask for the answer; the key is not in them."""
        return [Message("user", _placed(self.TEMPLATE[question.language], question))]

    def explain(self, question: Question) -> list[Message]:
        """Messages that show a teacher the key and ask for a rationale. ValueError without a key."""
        if question.answer is None:
            raise ValueError(f"question {question.id} has no key to explain")
        return [Message("user", _placed(self.shown[question.language], question))]

    def forced(self, question: Question) -> str:
        """The start of a reply after which the next token can only be a letter."""
        return self._parts(question)[0].rstrip()

    def letters(self, question: Question) -> tuple[str, ...]:
        """How a reply goes on after `forced`, for each option."""
        before, _ = self._parts(question)
        return tuple(before[len(before.rstrip()) :] + letter for letter in question.letters)

    def answer_line(self, question: Question) -> str:
        """The line that a right reply ends with. ValueError without a key."""
        if question.answer is None:
            raise ValueError(f"question {question.id} has no key")
        return self.ended(question.language, question.answer)

    def ended(self, language: str, letter: str) -> str:
        """The answer line for a letter."""
        return letter.join(parts(self.line[language]))

    def _parts(self, question: Question) -> tuple[str, str]:
        return parts(self.line[question.language])


def parts(line: str) -> tuple[str, str]:
    """What stands before and after the X of an answer line. ValueError if there is not exactly one."""
    before, *after = _LETTER.split(line)
    if len(after) != 1:
        raise ValueError(f"{line!r} has {len(after)} X for the letter; expected one")
    return before, after[0]


def body(question: Question) -> str:
    """Problem, question and lettered options, as every prompt shows them."""
    return f"{_asked(question)}\n{_options(question)}"


def _asked(question: Question) -> str:
    return f"{question.problem}\n\n{question.question}" if question.problem.strip() else question.question


def _options(question: Question) -> str:
    return "\n".join(f"{letter}) {text}" for letter, text in zip(LETTERS, question.options, strict=False))


def _placed(template: str, question: Question) -> str:
    return placed(template, _asked(question), _options(question), question.answer or "")


HOUSE = Choice()
solve, explain, forced, answer_line = HOUSE.solve, HOUSE.explain, HOUSE.forced, HOUSE.answer_line
