"""Rationales that no teacher wrote, for tests and pictures.

python -m tests.evals.sample_rationales > rationales.html     (add "once" for a teacher that is asked once)
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from typing import Any

from evals.report.rationales import Tally
from evals.report.rationales_page import page
from storage.records import Question


def row(question: Question, sample: int, answer: str | None, **changes: Any) -> dict[str, Any]:
    """A row as the reason step writes it: kept if it has the key's answer."""
    kept = answer == question.answer
    made = {
        "question": question.id,
        "sample": sample,
        "text": f"Clue by clue, sample {sample}.\nAnswer: {answer}",
        "answer": answer,
        "extractor": "answer-line" if answer else "unreadable",
        "kept": kept,
        "reason": None if kept else "disagrees" if answer else "unreadable",
        "model": "qwen-max",
        "prompt": "choice/2/solve",
        "request": f"{question.id}-{sample}",
        "out_tokens": 100,
        "cost": 0.001,
    }
    return {**made, **changes}


def replied(question: Question, truth: Question, sample: int, skill: float, draw: random.Random) -> dict[str, Any]:
    chance = draw.random()
    wrong = [letter for letter in truth.letters if letter != truth.answer]
    answer = None if chance > 0.97 else truth.answer if chance < skill else draw.choice(wrong)
    steps = [
        f"{n}. {draw.choice(truth.problem.splitlines())}" for n in range(1, round(draw.lognormvariate(1.6, 0.6)) + 2)
    ]
    ending = f"{'答案：' if truth.language == 'zh' else 'Answer: '}{answer}" if answer else ""
    return row(question, sample, answer, text="\n".join([*steps, ending]))


def told_of(questions: Iterable[Question], samples: int = 4, skill: float = 0.8, wrong_keys: int = 6) -> Tally:
    """A tally of a teacher that is right with that chance; some keys are changed for the next letter's."""
    draw, told = random.Random(5), Tally()
    for number, truth in enumerate(questions):
        question = truth
        if number % 11 == 3 and number // 11 < wrong_keys:
            key = truth.letters[(truth.letters.index(str(truth.answer)) + 1) % len(truth.letters)]
            question = Question(truth.problem, truth.question, truth.options, key, truth.source_id, "puzzles.jsonl",
                                number + 1)  # fmt: skip
        rows = [replied(question, truth, sample, skill, draw) for sample in range(samples)]
        if not any(r["kept"] for r in rows):
            rows.append(
                row(question, 0, question.answer, prompt="choice/2/explain", kept=False, reason="betrays the key")
            )
        told.see(question, rows)
    return told


if __name__ == "__main__":
    from tests.evals.sample_report import questions as asked

    told = told_of((q for q, _ in asked(300)), samples=1 if "once" in sys.argv else 4)
    sys.stdout.write(page(told.facts(), told.suspects()))
