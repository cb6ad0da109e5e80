"""No reply can end an evaluation: what reading or scoring it raises is that reply's outcome "error", with its reason.

scored(texts, gold, scorer, read) -> what was `Assessed` of each text: the answer read from it, its score
labels(answers, gold, scorer)     -> which answers are one; by their words where the scorer raises
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from evals.scorers.base import Gold, Score, Scorer, first_alike
from storage.records import failure

log = logging.getLogger("ponens")


class Answer(Protocol):
    """What was read from a reply, as `prompts.turns.Answer` says."""

    @property
    def text(self) -> str | None: ...

    @property
    def whole(self) -> bool: ...

    @property
    def note(self) -> str: ...


Read = Callable[[str], Answer]


class Assessed(NamedTuple):
    """What was read from a reply, "" where nothing was, its score, and whether it was whole (`Answer.whole`)."""

    answer: str
    score: Score
    whole: bool

    def ended(self, finish: str) -> Score:
        """The score of a reply that ended as `finish` says: one that the limit cut in its answer is truncated."""
        if finish != "length" or self.whole or self.score.outcome == "error":
            return self.score
        return Score("truncated", 0.0, "it stops at its length limit before its answer is whole")


def scored(texts: Iterable[str], gold: Gold, scorer: Scorer, read: Read) -> dict[str, Assessed]:
    """Each text read and scored; the same answer is scored once. An error is worth nothing and counts as wrong."""
    scores: dict[str, Score] = {}
    found: dict[str, Assessed] = {}
    for text in texts:
        answer, whole = "", True
        try:
            said = read(text)
            answer, whole = said.text or "", said.whole
            if answer not in scores:
                scores[answer] = scorer.score(answer, gold)
            score = scores[answer]
            if said.note:
                score = replace(score, reason=f"{score.reason}; {said.note}")
        except Exception as error:
            log.debug("a reply could not be scored", exc_info=True)
            score = Score("error", 0.0, failure(error))
        found[text] = Assessed(answer, score, whole)
    return found


def labels(answers: Sequence[str], gold: Gold, scorer: Scorer) -> tuple[list[int | None], str]:
    """The scorer's labels; where it raises, equal words are one answer. Beside them what it raised, or ""."""
    try:
        return scorer.labels(answers, gold), ""
    except Exception as error:
        log.debug("votes could not be compared", exc_info=True)
        return first_alike(answer or None for answer in answers), failure(error)
