"""Knights and knaves: an answer says of everyone who is which, and is right if all of it is.

The measure of Xie et al. (2024), "On memorization of large language models in logical reasoning", arXiv
2410.23123: a puzzle counts when every role is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evals.scorers.base import Gold, Score, first_alike

_ROLES = {"knight": True, "武士": True, "骑士": True, "knave": False, "无赖": False}
_SAYS = rf"[*_\s]*(?:\bis\b|是|[:：=])[*_\s]*(?:an?\s+|一个|一名)?[*_]*({'|'.join(_ROLES)})"


@dataclass(frozen=True, slots=True)
class AssignmentScorer:
    """`value` is the share of roles that are right; `about` holds `names` and `solution`, true for a knight."""

    name: str = "assignment"

    def score(self, prediction: str, gold: Gold) -> Score:
        names, solution = gold.about.get("names"), gold.about.get("solution")
        if not names or not solution:
            return Score("gold-invalid", 0.0, "no solution is known")
        said = roles(prediction, names)
        if None in said:
            return Score("invalid", 0.0, f"no role for {names[said.index(None)]}")
        share = sum(one is bool(other) for one, other in zip(said, solution, strict=True)) / len(names)
        return Score("right" if share == 1 else "wrong", share, f"{share:.0%} of {len(names)} roles are right")

    def labels(self, replies: Sequence[str], gold: Gold) -> list[int | None]:
        found = [roles(reply, gold.about.get("names") or ()) for reply in replies]
        return first_alike(None if None in said else said for said in found)


def roles(answer: str, names: Sequence[str]) -> tuple[bool | None, ...]:
    """Whether each of the names is a knight, by the last word on it; None where the answer does not say.

    >>> roles("(1) Ann is a knight, **Bo** is a knave; Cy is not a knight", ["Ann", "Bo", "Cy"])
    (True, False, None)
    """
    found = (re.findall(rf"(?<![A-Za-z]){re.escape(name)}{_SAYS}", answer, re.IGNORECASE) for name in names)
    return tuple(_ROLES[hits[-1].lower()] if hits else None for hits in found)
