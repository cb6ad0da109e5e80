"""Signs that a row is no example to learn from: a judgement of its answer, or another answer that is worse.

    {"messages": […], "label": false}     KTO, an unpaired preference: also `kto_tag`, `is_correct`, …
    {"question": "…", "answer": "…", "label": 0}

A judgement is true or false, 1 or 0, or the same as text. An answer that is judged bad is a reject, so that it is
counted and told; one that is judged good is an example (note "unpaired-preference").
"""

from __future__ import annotations

from functools import lru_cache

from storage.sources.formats.base import Cells, Fault

JUDGEMENTS = ("kto_tag", "label", "is_correct", "correct", "is_good", "desirable", "is_safe")
RATINGS = ("reward", "quality", "quality_score", "rating", "helpfulness", "correctness", "stars")  # in numbers
VALID = ("problem_is_valid", "solution_is_valid")  # NuminaMath's: any word but yes is a reason not to learn
# what stands beside a prompt or a dialogue where two answers are compared
_PAIRS = (
    ("chosen", "rejected"),
    ("chosen_messages", "rejected_messages"),
    ("rejected_response",),
    ("rejected_messages",),
)
_WORSE = frozenset(names[-1] for names in _PAIRS)
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


def compares(row: Cells) -> bool:
    """Whether a row holds two answers, the better one named."""
    if _WORSE.isdisjoint(row):
        return False
    return any(all(name in row and row[name] is not None for name in names) for names in _PAIRS)


def notes(row: Cells) -> set[str]:
    """What there is to tell of a row whose answer may be learnt from. Fault for one that is judged bad."""
    names, checked, rated = _judging(tuple(row))
    if not names and not checked and not rated:
        return set()  # as most rows
    for name in checked:
        if row[name] is not None and not _verdict(row[name]):
            raise Fault(name, f"{str(row[name])[:40]!r}: no example to learn from")
    judged = [(name, verdict) for name in names if (verdict := _verdict(row[name])) is not None]
    for name, good in judged:
        if not good:
            raise Fault(name, "a bad answer of an unpaired preference (KTO): no example to learn from")
    told = {"unpaired-preference"} if judged else set()
    return told | {"rated-answer"} if any(isinstance(row[name], int | float) for name in rated) else told


@lru_cache(maxsize=1 << 12)
def _judging(columns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The columns that judge an answer, those that say whether it is valid, and those that rate it, in any case."""
    lowered = [(name, str(name).lower()) for name in columns]
    return (
        tuple(name for name, low in lowered if low in JUDGEMENTS),
        tuple(name for name, low in lowered if low in VALID),
        tuple(name for name, low in lowered if low in RATINGS),
    )


def _verdict(value: object) -> bool | None:
    if isinstance(value, bool | int) and value in (0, 1):
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None
