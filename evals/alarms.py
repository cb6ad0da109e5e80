"""What of an evaluation a person has to hear before its figures: warnings, in words, from all replies of all subjects.

alarms({"base": replies, "logic/1": replies}, max_tokens)   none of 26 replies could be read, says the same, …
risen(first loss, last loss)                               the training loss rose from 8.900 to 9.390
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.records import ERROR, FORCED, Sample

MOST_ERRORS = 0.01  # share of replies that could not be scored above which figures are not to be trusted
MOST_UNREAD = 0.3  # share of replies without an answer above which a prompt or a limit is the likely cause
_SHOWN, _LONGEST = 3, 120  # replies to look at, characters of each
_CAUSES = "[evaluate] max_tokens too small, another prompt than in training, a chat template that does not fit"


class Heard(NamedTuple):
    """One reply to a question; `read` is whether it gave an answer, `error` what scoring it raised ("": nothing)."""

    question: str
    number: int
    text: str
    finish: str
    read: bool
    error: str = ""


Replies = Mapping[str, Sequence[Heard]]  # by subject


def heard(sample: Sample) -> Heard:
    """A reply to a multiple-choice question."""
    error = sample.extractor.removeprefix(ERROR) if sample.extractor.startswith(ERROR) else ""
    return Heard(sample.question, sample.index, sample.text, sample.finish, sample.answer is not None, error)


def alarms(replies: Replies, max_tokens: int) -> list[str]:
    """Warnings of every subject, the base's name first among the keys: what is unread, equal, in error, too long."""
    base, *adapters = replies
    return [
        *_unread(replies, max_tokens),
        *(said for name, of in replies.items() if (said := _errors(name, of))),
        *(said for name in adapters if (said := _same(name, replies[base], replies[name]))),
        *(
            f"{over} prompts of {name} fill the whole context: no reply ([evaluate] max_model_len)"
            for name, of in replies.items()
            if (over := sum(one.finish == "overflow" for one in of))
        ),
    ]


def risen(first: float | None, last: float | None) -> list[str]:
    """A warning where the loss of a training's last step is above that of its first; none where one is unknown."""
    if first is None or last is None or last <= first:
        return []
    return [
        f"the training loss rose from {first:.3f} to {last:.3f}: nothing was learnt "
        "([train] learning_rate too high, too few steps, or a template that does not fit)"
    ]


def _unread(replies: Replies, max_tokens: int) -> list[str]:
    """One warning where nothing of any subject was read, else one for each subject with much that was not."""
    own = {name: [one for one in of if one.number != FORCED] for name, of in replies.items()}
    unread = {name: [one for one in of if not one.read] for name, of in own.items()}
    if all(own[name] and len(unread[name]) == len(own[name]) for name in own):
        every = [one for of in unread.values() for one in of]
        total = f"none of {len(every)} replies of {' and '.join(own)} could be read: these figures say nothing"
        return [f"{total}. {_look(every, max_tokens)}"]
    return [
        f"{len(unread[name])} of {len(of)} replies of {name} could not be read. {_look(unread[name], max_tokens)}"
        for name, of in own.items()
        if of and len(unread[name]) > MOST_UNREAD * len(of)
    ]


def _look(unread: Sequence[Heard], max_tokens: int) -> str:
    """Up to three different replies, and what usually makes them such."""
    texts = list(dict.fromkeys(_short(one.text) for one in unread))[:_SHOWN]
    long = sum(one.finish == "length" for one in unread)
    cut = f"{long} of them end at max_tokens = {max_tokens}; " if long else ""
    return f"Such as: {' | '.join(texts)}. {cut}usual causes: {_CAUSES}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return f"“{plain[:_LONGEST]}{'…' if len(plain) > _LONGEST else ''}”" if plain else "(empty)"


def _errors(name: str, replies: Sequence[Heard]) -> str:
    reasons = Counter(one.error for one in replies if one.error)
    if not reasons:
        return ""
    count, [(commonest, _)] = reasons.total(), reasons.most_common(1)
    said = f"{count} of {len(replies)} replies of {name} raised an error while they were scored and count as wrong"
    trust = (
        ": more than 1 %, so do not trust these figures before it is mended"
        if count > MOST_ERRORS * len(replies)
        else ""
    )
    return f"{said}{trust}; most often {commonest}"


def _same(name: str, base: Sequence[Heard], adapter: Sequence[Heard]) -> str:
    """Whether two subjects say the same wherever nothing was drawn, and in how many of all replies."""
    before = {(one.question, one.number): one.text for one in base}
    both = [
        (one.number, one.text == before[one.question, one.number])
        for one in adapter
        if (one.question, one.number) in before
    ]
    fixed = [same for index, same in both if index < 0]
    if not both or not all(fixed or [same for _, same in both]):
        return ""
    equal, total = sum(same for _, same in both), len(both)
    if equal == total:
        return f"{name} says the very same as the base in all {total} replies: it is not applied, or has learnt nothing"
    return (
        f"{name} says the same as the base in {equal} of {total} replies, in all that were not drawn by chance: "
        "it has learnt little, or is hardly applied"
    )
