"""How far the list of suspect keys can be trusted: precision and recall, simulated.

    python benchmarks/suspects.py        a table in Markdown, as in docs/rationales.md

1,163 questions of four options, 20 with a wrong key. The teacher is asked k times without the key and
is right with chance p each time. Its errors are uniform and independent, or, in the second table, some
questions mislead it: on one in twenty it prefers one wrong letter as often as it is right elsewhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from evals.report.rationales import Tally
from storage.records import Question

QUESTIONS, WRONG, REPEATS = 1_163, 20, 20
SAMPLES, SKILLS, MISLEADING = (2, 3, 4, 8), (0.6, 0.8, 0.95), 0.05


@dataclass(frozen=True, slots=True)
class Score:
    """Of one list: its length, and how many wrong keys it and its first 20 rows hold."""

    listed: int
    found: int
    found_first: int


def simulate(samples: int, skill: float, misleading: float, seed: int) -> Score:
    """Ask a made-up teacher everything once and look at the list."""
    draw, tally = random.Random(seed), Tally()
    wrong = set(draw.sample(range(QUESTIONS), WRONG))
    planted = set()
    for number in range(QUESTIONS):
        letters = draw.sample("ABCD", 4)  # the truth first
        question = Question(str(number), "", ("1", "2", "3", "4"), letters[1] if number in wrong else letters[0])
        if number in wrong:
            planted.add(question.id)
        likely = 1 if draw.random() < misleading else 0
        rows = []
        for sample in range(samples):
            others = [letter for letter in letters if letter != letters[likely]]
            answer = letters[likely] if draw.random() < skill else draw.choice(others)
            rows.append({"prompt": "solve", "sample": sample, "answer": answer, "text": "", "model": "", "kept": False,
                         "reason": "", "cost": 0.0, "out_tokens": 0})  # fmt: skip
        tally.see(question, rows)
    ids = [suspect["question"] for suspect in tally.suspects()]
    return Score(tally.facts()["suspects"]["found"], len(planted & set(ids)), len(planted & set(ids[:WRONG])))


def table(misleading: float) -> list[str]:
    """One row a setting, means over the repeats."""
    lines = ["| k | p | listed | precision | recall | precision of the first 20 |", "|---:|---:|---:|---:|---:|---:|"]
    for samples in SAMPLES:
        for skill in SKILLS:
            scores = [simulate(samples, skill, misleading, seed) for seed in range(REPEATS)]
            listed, found = sum(s.listed for s in scores), sum(s.found for s in scores)
            first = sum(s.found_first for s in scores) / sum(min(WRONG, s.listed) for s in scores)
            lines.append(
                f"| {samples} | {skill:g} | {listed / REPEATS:.1f} | {found / listed:.2f} |"
                f" {found / WRONG / REPEATS:.2f} | {first:.2f} |"
            )
    return lines


if __name__ == "__main__":
    print(
        "\n".join(
            ["Errors independent:", "", *table(0.0), "", "One question in twenty misleads:", "", *table(MISLEADING)]
        )
    )
