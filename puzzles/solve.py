"""The symbolic solver: from a puzzle's text alone to a letter and the rationale that leads there.

It sees what a model would see. Whatever stands around the problem, the question and the options, such as an
instruction or a hint at the key, is not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from puzzles.generate import FAMILIES

_BODY = re.compile(
    r"(?P<problem>[^\n]+(?:\n[^\n]+)*)\n\n(?P<question>[^\n]+)\n(?P<options>A\) [^\n]+(?:\n[B-Z]\) [^\n]+)+)"
)
_OPTION = re.compile(r"^[A-Z]\) (.+)$", re.MULTILINE)


def rationale(text: str) -> str | None:
    """The rationale with its answer line for the question in `text`, as `prompts.choice.body` shows one.

    None if the text holds no question of a known family.
    """
    for match in _BODY.finditer(text):
        solved = solve_question(match["problem"], match["question"], _OPTION.findall(match["options"]))
        if solved:
            return solved[1]
    return None


def solve_question(problem: str, question: str, options: Sequence[str]) -> tuple[str, str] | None:
    """The letter and the rationale, None if no family can read the problem or the question."""
    for family in FAMILIES.values():
        state = family.read(problem)
        if state is not None:
            text = family.work(state, question, options)
            return None if text is None else (text[-1], text)
    return None
