"""The errors of an asking that did not come to its end."""

from __future__ import annotations

from collections.abc import Iterable

from storage.records import PonensError, Question, UsageError
from tasks.teachers.spec import AskSpec, Tally


def nothing(questions: Iterable[Question]) -> UsageError:
    """Nobody to ask for: no question has a key and is there to learn from."""
    return UsageError(
        "there is nothing to reason about",
        seen=f"{sum(1 for _ in questions)} questions, none with an answer outside the test split",
        expected="questions with answers",
    )


def unanswered(tally: Tally, count: int, total: int, most: float) -> PonensError:
    """More than the share `most` of the requests stayed without an answer."""
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(tally.outcomes.items()))
    cause, remedy = tally.worst()
    return PonensError(
        f"{count} of {total} requests stayed without an answer",
        seen="; most of them ".join(filter(None, (outcomes, cause))),
        expected=f"at most {most:.1%} (max_unanswered)",
        hint=f"{f'{remedy}, and run again' if remedy else 'run again'}: only those {count} are asked again",
    )


def limited(spec: AskSpec, tally: Tally, total: int) -> PonensError:
    """A limit of the recipe was reached."""
    return PonensError(
        f"{tally.limit} = {getattr(spec, str(tally.limit))} is reached; "
        f"{tally.left} of {total} requests were not asked",
        seen=f"{tally.asked} asked in this run, cost {tally.cost()}",
        hint=f"raise {tally.limit} and run again: nothing is asked twice",
    )
