"""Multiple choice as something to ask: a question becomes an ask, a reply becomes a letter.

question ──ask──▶ prompt, forced letters      reply ──read──▶ letter or a class of abstention
"""

from __future__ import annotations

from collections.abc import Iterator

from prompts import choice
from prompts.choice import HOUSE, Choice
from prompts.shuffle import anchored, orders, rearranged
from storage.records import FORCED, Question, Reading
from tasks.kinds.asks import Ask, Forced

_UNSAID = ("overflow", "refused")


def ask(question: Question, words: Choice = HOUSE, *, forced: bool = True) -> Ask:
    """The question as every subject is asked it, with the letter it is `forced` to beside."""
    start = Forced(words.forced(question), words.letters(question)) if forced else None
    return Ask(question.id, tuple(words.solve(question)), start, question)


def shuffled(question: Question, count: int, words: Choice = HOUSE) -> Iterator[tuple[tuple[int, ...], Ask]]:
    """The question's votes under up to `count` other orders of its options; none where options must stay."""
    if anchored(question) is None:
        for order in orders(question, count):
            other = rearranged(question, order)
            yield order, Ask(other.id, tuple(words.solve(other)), question=other, greedy=False)


def read(question: Question, index: int, text: str, finish: str = "stop") -> Reading:
    """The letter in a reply that ended as `finish` says; a forced reply is its letter.

    "overflow" and "refused" are what the engine says of a reply that it did not give.
    """
    if finish in _UNSAID:
        return Reading(None, finish)
    if index == FORCED:
        return Reading(text.strip() or None, "forced" if text.strip() else "unreadable")
    return choice.read(text, question, cut=finish == "length")
