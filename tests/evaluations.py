"""Homes with finished runs of a few made-up questions, as a run leaves them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.scored import Scored, compare_all, winner
from evals.scorers.base import Outcome, Score
from evals.summary import summary
from evals.vote import count
from storage.artifacts import write_json
from storage.dialogues import Dialogue, Kind
from storage.home import Home
from storage.records import Question, Receipt, Sample
from storage.runs import Run, find
from storage.tables import dialogue_files, questions, scores
from storage.tables.samples import write_tables
from tests.dialogues import chat, query

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
    return _kept(home, id, (parsed, {}), (evaluated, facts), **recipe)


def scored(home: Home, id: str, kind: Kind, outcomes: Mapping[str, Sequence[Outcome]], votes: int = 1) -> Run:
    """A run over 40 dialogues of a kind whose subjects' replies came to this; the base is the first of them."""
    parsed, evaluated = (home.root / "artifacts" / name / id for name in ("dialogues", "evaluations"))
    for folder in (parsed, evaluated):
        folder.mkdir(parents=True)
    made = {
        "sql": lambda n: query(f"How many of {n}?", f"SELECT {n}", db_id=f"music {n // 2}"),
        "proof": lambda n: chat(f"Prove {n} < {n} + 1.", f"theorem t{n} :=", task="statement"),
        "instruction": lambda n: chat(f"Write {n}.", f"Here it is: {n}."),
        "chat": lambda n: chat(f"Hello {n}.", f"Ask me {n}.", f"What is {n}?", f"A number, {n}."),
    }[kind]
    dialogue_files.write(parsed, [made(n) for n in range(len(outcomes["base"]))], lambda group: "test")
    receipt = Receipt("parse", "", "", str(parsed.relative_to(home.root)), {}, {}, 0.0, "")
    asked = list(dialogue_files.Dialogues(home, receipt, "test"))
    replies = {
        name: {d.id: [_reply(name, d, outcome, index) for index in (range(-1, votes) if votes > 1 else (-1,))]
               for d, outcome in zip(asked, came, strict=True)}
        for name, came in outcomes.items()
    }  # fmt: skip
    base, adapter, *others = replies
    found = compare_all({name: (replies[base], replies[name]) for name in (adapter, *others)}, base)
    facts: dict[str, Any] = {
        "kind": kind, "scorer": kind, "right": "does as its reference", "value": "1 if it is right", "votes": votes,
        "questions": len(asked), "engine": "transformers", "temperature": 0.7, "prompt": f"{kind}/1", "warnings": [],
        "adapter_name": adapter, **found[adapter],
        "others": {name: found[name]["adapter"] | {"paired": found[name]["paired"]} for name in others},
    }  # fmt: skip
    rows = [
        {name: getattr(r, name) for name in ("question", "group", "subject", "index", "text", "finish", "label")}
        | {"outcome": r.score.outcome, "value": r.score.value, "reason": "", "measures": "{}", "wins": r is winner(of)}
        for side in replies.values()
        for of in side.values()
        for r in of
    ]
    scores.write(evaluated, rows)
    return _kept(home, id, (parsed, {"dropped": {}}), (evaluated, facts))


def _reply(subject: str, dialogue: Dialogue, outcome: Outcome, index: int) -> Scored:
    label = None if index < 0 or outcome == "invalid" else 0
    score = Score(outcome, float(outcome == "right"), "")
    return Scored(dialogue.id, dialogue.group, subject, index, f"{subject}: {outcome}", "stop", score, label)


def _kept(
    home: Home, id: str, parsed: tuple[Path, dict[str, Any]], evaluated: tuple[Path, dict[str, Any]], **recipe: Any
) -> Run:
    """The run that left these two artifacts, with their facts."""
    receipts = [
        _receipt(home, parsed[0], "parse", f"{id}-parse", parsed[1]),
        _receipt(home, evaluated[0], "evaluate", f"{id}-evaluate", evaluated[1]),
    ]
    steps = [{"name": r.step, "status": "ran", "seconds": 1.0, "key": r.key} for r in receipts]
    outcome = {
        "run_id": id,
        "recipe": "logic",
        "outcome": "done",
        "steps": steps,
        "adapter": evaluated[1].get("adapter_name"),
        "evaluation": evaluated[1],
    }
    write_json(home.run(id) / "outcome.json", outcome)
    write_json(home.run(id) / "recipe.json", {"name": "logic", "train": {"base_model": "toy", "rank": 8}, **recipe})
    return find(home, id)


def _sample(subject: str, question: Question, index: int, answer: str | None) -> Sample:
    text = f"It is so.\nAnswer: {answer}" if answer else "Who knows?"
    return Sample(question.id, subject, index, text, "stop", 7, answer, "answer-line" if answer else "unreadable")


def _receipt(home: Home, folder: Path, step: str, key: str, facts: dict[str, Any]) -> Receipt:
    place = str(folder.relative_to(home.root))
    inputs = {
        "source": "s",
        "questions": key.rpartition("-")[0] + "-parse-digest",
        "base_model": "b",
        "adapter": "one",
        "adapter logic/2": "two",
    }
    ingredients = {"inputs": inputs, "code": "c"}
    receipt = Receipt(step, key, f"{key}-digest", place, facts, ingredients, 1.0, "2026-11-22T08:00:00+00:00")
    write_json(home.receipt(step, key), receipt.dict())
    return receipt
