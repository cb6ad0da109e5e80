"""No reply can end an evaluation: what reading or scoring it raises is that reply's outcome "error", with its reason.

scored(texts, gold, scorer, read) -> what was `Assessed` of each text: the answer read from it, its score
labels(answers, gold, scorer)     -> which answers are one; by their words where the scorer raises
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from evals.scorers.base import Gold, Score, Scorer, first_alike
from storage.records import failure

log = logging.getLogger("ponens")
Read = Callable[[str], str | None]


class Assessed(NamedTuple):
    """What was read from a reply, "" where nothing was, and its score."""

    answer: str
    score: Score


def scored(texts: Iterable[str], gold: Gold, scorer: Scorer, read: Read) -> dict[str, Assessed]:
    """Each text read and scored; the same answer is scored once. An error is worth nothing and counts as wrong."""
    scores: dict[str, Score] = {}
    found: dict[str, Assessed] = {}
    for text in texts:
        answer = ""
        try:
            answer = read(text) or ""
            if answer not in scores:
                scores[answer] = scorer.score(answer, gold)
            found[text] = Assessed(answer, scores[answer])
        except Exception as error:
            log.debug("a reply could not be scored", exc_info=True)
            found[text] = Assessed(answer, Score("error", 0.0, failure(error)))
    return found


def labels(answers: Sequence[str], gold: Gold, scorer: Scorer) -> tuple[list[int | None], str]:
    """The scorer's labels; where it raises, equal words are one answer. Beside them what it raised, or ""."""
    try:
        return scorer.labels(answers, gold), ""
    except Exception as error:
        log.debug("votes could not be compared", exc_info=True)
        return first_alike(answer or None for answer in answers), failure(error)
