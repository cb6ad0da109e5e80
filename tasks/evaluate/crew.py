"""Who scores replies to dialogues: the scorer of a kind, or a user's own, as many of them as can work at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from evals.scorers.assignment import AssignmentScorer
from evals.scorers.base import Scorer
from evals.scorers.instruction import InstructionScorer
from evals.scorers.statement import StatementScorer
from storage.dialogues import Kind
from tasks.kinds.text_to_sql import SqlSpec
from tasks.runtime.own_function import Function
from tasks.sandbox.lean import Lean
from tasks.sandbox.own import own

_CREW = 8  # sandboxes at most
# how each kind's scorers are made, as many as can work at once; a compared kind has none
SCORERS: Mapping[Kind, Callable[[ExitStack, int, SqlSpec, Sequence[str]], Sequence[Scorer]]] = {
    "sql": lambda stack, count, sql, lean: list(sql.scorers(stack, count)),
    "proof": lambda stack, count, sql, lean: [StatementScorer(Lean(tuple(lean)) if lean else None)],
    "assignment": lambda stack, count, sql, lean: [AssignmentScorer()],
    "instruction": lambda stack, count, sql, lean: [InstructionScorer()],
}


@contextmanager
def crew_of(
    kind: Kind, sql: SqlSpec, lean: Sequence[str], function: Function | None
) -> Iterator[tuple[str, Sequence[Scorer]]]:
    """The scorer of a kind, or a user's, as many of them as can work at once, and its name."""
    with ExitStack() as stack:
        count = max(1, min(_CREW, len(os.sched_getaffinity(0))))
        crew = [own(function, stack) for _ in range(count)] if function else SCORERS[kind](stack, count, sql, lean)
        yield crew[0].name, crew
