"""Homes with finished runs of a few made-up questions, as a run leaves them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals.summary import summary
from evals.vote import count
from storage import questions
from storage.artifacts import write_json
from storage.home import Home
from storage.records import Question, Receipt, Sample
from storage.runs import Run, find
from storage.samples import write_tables

ASKED = [
    Question(f"Problem {n // 2}: a lamp is on.", f"Which lamp, {n}?", ("red", "green", "blue"), "ABC"[n % 3], f"q-{n}")
    for n in range(40)
]


def ran(
    home: Home,
    id: str,
    answers: Sequence[str | None],
    adapter: str | None = "logic/1",
    asked: Sequence[Question] = ASKED,
    **recipe: Any,
) -> Run:
    """A run whose adapter answered thus, each reply thrice, and whose base always said A; without one its base did."""
    parsed, evaluated = (home.root / "artifacts" / name / id for name in ("questions", "evaluations"))
    for folder in (parsed, evaluated):
        folder.mkdir(parents=True)
    questions.write(parsed, asked, lambda group: "test")
    answered = {"base": answers} if adapter is None else {"base": ["A"] * len(asked), adapter: answers}
    samples = {
        subject: [_sample(subject, q, n, a) for q, a in zip(asked, given, strict=True) for n in (-1, 0, 1, 2)]
        for subject, given in answered.items()
    }
    ballots = {
        name: {q.id: count(q, [s.answer for s in said if s.question == q.id and s.index >= 0]) for q in asked}
        for name, said in samples.items()
    }
    write_tables(evaluated, samples, ballots)
    facts = {"votes": 3, "temperature": 0.7, "engine": "transformers"}
    facts |= {"adapter_name": adapter} if adapter else {}
    facts |= summary(asked, samples, ballots, [adapter] if adapter else [])
    receipts = [
        _receipt(home, parsed, "parse", f"{id}-parse", {}),
        _receipt(home, evaluated, "evaluate", f"{id}-evaluate", facts),
    ]
    steps = [{"name": r.step, "status": "ran", "seconds": 1.0, "key": r.key} for r in receipts]
    outcome = {
        "run_id": id,
        "recipe": "logic",
        "outcome": "done",
        "steps": steps,
        "adapter": adapter,
        "evaluation": facts,
    }
    write_json(home.run(id) / "outcome.json", outcome)
    write_json(home.run(id) / "recipe.json", {"name": "logic", "train": {"base_model": "toy", "rank": 8}, **recipe})
    return find(home, id)


def _sample(subject: str, question: Question, index: int, answer: str | None) -> Sample:
    text = f"It is so.\nAnswer: {answer}" if answer else "Who knows?"
    return Sample(question.id, subject, index, text, "stop", 7, answer, "answer-line" if answer else "unreadable")


def _receipt(home: Home, folder: Path, step: str, key: str, facts: dict[str, Any]) -> Receipt:
    place = str(folder.relative_to(home.root))
    receipt = Receipt(step, key, f"{key}-digest", place, facts, {}, 1.0, "2026-11-22T08:00:00+00:00")
    write_json(home.receipt(step, key), receipt.dict())
    return receipt
