"""One row a question out of its replies, as a verdict reads it: by the tool's own marks, or as our extractor reads.

Of several replies the majority counts: those without an answer have no vote, and a tie has no winner, which is an
answer that cannot be read. Or their mean, the first, or what the tool's own reducer made of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from evals.answers import folded, plain
from storage.evaluations.items import Item, Reply, Task
from storage.records import UsageError
from tasks.verdict.extraction import Keyed, keyed, reading

Repeats = Literal["majority", "mean", "first", "tool"]
_SHORT = 64  # characters: a longer answer is a reply, and replies do not vote


class Marks(NamedTuple):
    """A row's part that says right or wrong, for each item, None for one without a key; how replies were compared."""

    rows: list[Mapping[str, Any] | None]
    by: str
    notes: list[str]


def has_marks(task: Task) -> bool:
    """Whether the tool itself marked or extracted something."""
    return any(r.score is not None or r.answer is not None for item in task.items for r in item.replies)


def replies_of(task: Task, *, ours: bool) -> tuple[int, int]:
    """The fewest and the most replies to an item."""
    counts = [len(item.texts) if ours and item.texts else len(item.replies) for item in task.items]
    return min(counts), max(counts)


def by_tool(task: Task, repeats: Repeats) -> Marks:
    """The tool's own marks; where it extracts no answers, ours says which of its wrong replies cannot be read."""
    several = any(len(item.replies) > 1 for item in task.items)
    voting = several and all(_short(reply) for item in task.items for reply in item.replies)
    silent = not any(reply.answer is not None for item in task.items for reply in item.replies)
    keys, how = keyed(task.items) if silent and any(item.texts for item in task.items) else ([], "")
    notes = (
        ["which replies cannot be read is said by our extractor: the tool extracts none"] if how == "letters" else []
    )
    rows: list[Mapping[str, Any] | None] = []
    for n, item in enumerate(task.items):
        replies = [_without_answer(item, key, how) for key in keys[n : n + 1] if key] if how == "letters" else []
        rows.append(
            _marked(item, replies[0] if replies and replies[0] else item.replies, repeats, voting=voting, task=task)
        )
    return Marks(rows, f"{task.metric or 'answers'} of the tool", notes)


def by_reading(task: Task, repeats: Repeats) -> Marks:
    """Right is what our extractor reads as the key."""
    keys, how = keyed(task.items)
    rows = [
        None if key is None else _read_row(item, key, how, repeats) for item, key in zip(task.items, keys, strict=True)
    ]
    notes = [] if how == "letters" else [f"replies are compared as {how}: keys are no letters"]
    return Marks(rows, f"our reading of {how}", notes)


def _short(reply: Reply) -> bool:
    return reply.answer is None or isinstance(reply.answer, (list, int, float)) or len(str(reply.answer)) <= _SHORT


def _without_answer(item: Item, key: Keyed, how: str) -> list[Reply]:
    """Replies, those that are wrong and say nothing marked so."""
    if len(item.texts) != len(item.replies):
        return list(item.replies)
    return [
        Reply(reply.score, "") if reply.score == 0 and said and reading(said, key, how).answer is None else reply
        for reply, said in zip(item.replies, item.texts, strict=True)
    ]


def _marked(
    item: Item, replies: Sequence[Reply], repeats: Repeats, *, voting: bool, task: Task
) -> Mapping[str, Any] | None:
    if repeats == "tool" and len(replies) > 1:
        if item.reduced is None:
            raise UsageError(
                f"task {task.name!r} has no reduction of its repeats",
                expected="one by the tool itself",
                hint="--repeats majority, mean or first",
            )
        return {"score": item.reduced.score}
    if len(replies) < 2 or repeats == "first":
        return _single(item, replies[0] if replies else Reply(failed="no reply"))
    if repeats == "mean":
        return {"score": sum(_score(item, reply) for reply in replies) / len(replies)}
    if voting and any(reply.answer not in (None, "") for reply in replies):
        return _elected(item, replies)
    return _majority_of_scores(replies)


def _single(item: Item, reply: Reply) -> Mapping[str, Any] | None:
    if reply.score is None and not reply.failed:
        if item.key in (None, "", []):
            return None
        return {"gold": item.key, "answer": reply.answer}
    return {"score": None if reply.unreadable else reply.score}


def _score(item: Item, reply: Reply) -> float:
    if reply.score is not None:
        return reply.score
    same = reply.answer is not None and _form(reply.answer) == _form(item.key)
    return float(same and _form(reply.answer) is not None)


def right(item: Item, reply: Reply) -> float | None:
    """The tool's mark of one reply; None where it gave none."""
    if reply.failed or (reply.score is None and reply.answer is None):
        return None
    return _score(item, reply)


def _form(value: Any) -> Any:
    """A key or an answer as it is compared; one of an unknown kind as its text."""
    try:
        return folded(plain(value), cased=False)
    except TypeError:
        return str(value)


def _elected(item: Item, replies: Sequence[Reply]) -> Mapping[str, Any]:
    """The answer of most replies; its mark is the tool's, and where that marked one answer two ways, the commoner."""
    votes = [(_form(reply.answer), reply) for reply in replies if not reply.unreadable]
    winner = winner_of([vote for vote, _ in votes])
    if winner is None:
        return {"score": None}
    of = [_score(item, reply) for vote, reply in votes if vote == winner]
    return {"score": Counter(of).most_common(1)[0][0]}


def _majority_of_scores(replies: Sequence[Reply]) -> Mapping[str, Any]:
    scores = [reply.score for reply in replies if not reply.unreadable and reply.score is not None]
    if not scores:
        return {"score": None}
    if set(scores) <= {0.0, 1.0}:
        return {"score": winner_of(scores)}
    return {"score": sum(scores) / len(replies)}


def winner_of(votes: Sequence[Any]) -> Any:
    """What most votes are for; None where there is none, or several have as many."""
    counted = Counter(vote for vote in votes if vote is not None).most_common(2)
    return counted[0][0] if counted and (len(counted) == 1 or counted[0][1] > counted[1][1]) else None


def _read_row(item: Item, key: Keyed, how: str, repeats: Repeats) -> Mapping[str, Any]:
    if not item.texts:
        return {"score": None}
    answers = [reading(said, key, how).answer for said in item.texts]
    if repeats == "mean" and len(answers) > 1:
        right = [answer is not None and _form(answer) == _form(key.gold) for answer in answers]
        return {"score": sum(right) / len(right)}
    return {
        "gold": key.gold,
        "answer": answers[0] if repeats == "first" else winner_of([_form(one) for one in answers]),
    }
