"""What stopping early saves, and how many winners it keeps: simulated models, nine votes a question.

    python benchmarks/voting.py        two tables in Markdown, as in docs/voting.md; a minute

A question of four options has a chance p of a right reply, drawn from Beta(s m, s (1 - m)): m is the model's
accuracy on a single reply, s how alike its questions are (small: it nearly always or nearly never knows;
large: every question is as hard as the next). One reply in fifty cannot be read. Wrong replies are stubborn,
all shares of a question drawn from Dirichlet(s (m, (1 - m) / 3, ...)), so that a small s means one favourite
error; or, in the second table, scattered, their shares drawn uniformly whatever s is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from evals.adaptive import Beta, Exact, Replay, Rule, Window, replay
from evals.vote import count
from storage.records import Ballot, Question

QUESTIONS, VOTES, UNREADABLE = 2_000, 9, 0.02
ACCURACIES, ALIKE = (0.7, 0.8, 0.9), (0.5, 1, 3)
LETTERS = "ABCD"
RULES: dict[str, Rule] = {
    "exact": Exact(),
    "beta 0.87": Beta(0.87),
    "beta 0.89": Beta(0.89),
    "beta 0.95": Beta(0.95),
    "window 3": Window(3),
    "window 4": Window(4),
}


def ballots(accuracy: float, alike: float, stubborn: bool, seed: int) -> list[Ballot]:
    """The full vote of a made-up model on every question."""
    draw = random.Random(seed)
    found = []
    for number in range(QUESTIONS):
        p = draw.betavariate(alike * accuracy, alike * (1 - accuracy))
        shape = alike * (1 - accuracy) / 3 if stubborn else 1
        # The least above zero: a tiny shape draws three zeros now and then.
        wrong = [max(draw.gammavariate(shape, 1), 1e-300) for _ in LETTERS[1:]]
        weights = [p, *((1 - p) * w / sum(wrong) for w in wrong), UNREADABLE / (1 - UNREADABLE)]
        votes = draw.choices([*LETTERS, None], weights, k=VOTES)
        found.append(count(Question(f"{seed} {number}", "", ("1", "2", "3", "4"), "A"), votes))
    return found


def right(full: Sequence[Ballot]) -> float:
    """The accuracy of the full vote."""
    return sum(ballot.right for ballot in full) / len(full)


def cell(result: Replay) -> str:
    return f"{100 * result.saved:.0f} / {100 * result.agreement:.1f}"


def table(stubborn: bool) -> None:
    print("| accuracy | s | accuracy of all votes |", *(f"{name} |" for name in RULES))
    print("|---:|---:|---:|" + "---:|" * len(RULES))
    for accuracy in ACCURACIES:
        for alike in ALIKE:
            full = ballots(accuracy, alike, stubborn, seed=round(100 * accuracy + alike))
            letters = {ballot.question: LETTERS for ballot in full}
            cells = (f"{cell(replay(full, letters, rule))} |" for rule in RULES.values())
            print(f"| {accuracy:.0%} | {alike:g} | {right(full):.1%} |", *cells, flush=True)


if __name__ == "__main__":
    began = time.process_time()
    print("Wrong replies stubborn; each cell: % of samples saved / % of winners equal\n")
    table(stubborn=True)
    print("\nWrong replies scattered:\n")
    table(stubborn=False)
    print(f"\n{QUESTIONS:,} questions a row, {time.process_time() - began:.0f} CPU seconds in all.")
