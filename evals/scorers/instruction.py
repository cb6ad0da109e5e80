"""Answers to instructions: exact match and chrF with a reference.

`normal_answer` is what "exact" means: `storage.records.folded` (full-width letters, digits and most punctuation
become half-width, "10²" is 10^2 and not 102), Chinese full stop, quotes and dashes written as their ASCII kin,
case folded, runs of white space one space and none beside a Han character, no closing full stop. What is said is
compared, not how it is set: "答案是 ４２。" and "答案是42" are the same answer. chrF is taken over the same form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evals.scorers.base import Gold, Score, first_alike, reference
from evals.scorers.likeness import chrf
from storage.records import folded

_KIN = str.maketrans("。、“”‘’「」『』—–‐−", ".,\"\"''\"\"''----")
_BESIDE_HAN = re.compile(r"(?<=[\u3400-\u9fff])\s+|\s+(?=[\u3400-\u9fff])")


@dataclass(frozen=True, slots=True)
class InstructionScorer:
    """`value` is chrF, 1 for an exact match; an answer is right when it matches exactly."""

    name: str = "instruction"

    def score(self, prediction: str, gold: Gold) -> Score:
        answer, expected = normal_answer(prediction), normal_answer(reference(gold))
        if not expected:
            return Score("gold-invalid", 0.0, "the reference is empty")
        if not answer:
            return Score("invalid", 0.0, "the answer is empty")
        exact, alike = answer == expected, chrf(answer, expected)
        said = "the same after normalising" if exact else f"differs from the reference, chrF {alike:.2f}"
        return Score("right" if exact else "wrong", alike, said, {"exact": float(exact), "chrf": alike})

    def labels(self, replies: Sequence[str], gold: Gold) -> list[int | None]:
        return first_alike(normal_answer(reply) or None for reply in replies)


def normal_answer(text: str) -> str:
    """The form in which two answers are compared, as this module's docstring states.

    >>> normal_answer(" The  Answer：４２。 ")
    'the answer:42'
    """
    plain = folded(text).translate(_KIN).casefold()
    return _BESIDE_HAN.sub("", " ".join(plain.split())).rstrip(".").rstrip()
