"""Evaluations planted where their steps look for them, so that no model is loaded: 40 lamps whose answer is always A."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.summary import summary
from evals.vote import count
from flows.chain import contest
from flows.recipe import Recipe, load
from storage.adapters import versions as adapters
from storage.artifacts import publish, read_manifest, write_json
from storage.home import Home
from storage.records import Question, Receipt, Sample
from storage.tables.questions import Stored
from storage.tables.samples import write_tables
from tasks.runtime.step import Step, run_step
from tests.adapters import base, made
from tests.chains import follow

ASKED = 40
BASE = 10  # the first of them are those that the base has right


def letters(right: int, unreadable: int = 0) -> list[str | None]:
    """So many of the first answers are right, so many of the last cannot be read."""
    return [None if n >= ASKED - unreadable else "A" if n < right else "B" for n in range(ASKED)]


def recipe(folder: Path) -> Path:
    """A recipe whose whole source is its test split, over what passes for a base model."""
    base(folder / "model")
    rows = [
        {"id": f"{n:02}", "problem": f"Lamp {n} of the {n * n} is on.", "questions": [
            {"question": f"Which is lamp {n}?", "options": ["red", "green"], "answer": "A"}]}
        for n in range(ASKED)
    ]  # fmt: skip
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "logic.toml"
    path.write_text(
        'name = "logic"\n[parse]\npath = "data.jsonl"\ntest = 1.0\nvalid = 0.0\n[evaluate]\nengine = "transformers"\n'
        f'[train]\nbase_model = "{folder / "model"}"\n[promote]\n'
    )
    return path


class Planter:
    """Does steps: evaluations by letters that are given, all others really.

    `right` says how many answers of an adapter are right, `again` how many are with other seeds, `unreadable` how
    many are no answer.
    """

    def __init__(self, home: Home, right: Mapping[str, int]) -> None:
        self.home, self.right = home, dict(right)
        self.again, self.unreadable = dict[str, int](), dict[str, int]()
        self.parsed: Receipt | None = None

    def __call__(self, step: Step) -> Receipt:
        if step.name != "evaluate":
            self.parsed, _ = run_step(step, self.home)
            return self.parsed
        assert self.parsed
        by_digest = {adapters.about(adapters.resolve(self.home, name))["digest"]: name for name in self.right}
        name = by_digest.get(str(step.inputs.get("adapter")))
        asked = sorted((q for q in Stored(self.home, self.parsed) if q.answer), key=lambda q: q.source_id)
        about = {"step": "evaluate", "key": str(step.key), "ingredients": step.ingredients, "seconds": 1.0}
        about |= {"made_at": "2026-11-22T08:00:00+00:00"}
        receipt = self._evaluated(name, asked, about, again=bool(step.settings["seed"]))
        write_json(self.home.receipt("evaluate", str(step.key)), receipt.dict())
        return receipt

    def _evaluated(self, name: str | None, asked: Sequence[Question], about: dict[str, Any], again: bool) -> Receipt:
        said = {"base": letters(BASE)}
        if name:
            right = self.again.get(name, self.right[name]) if again else self.right[name]
            said[name] = letters(right, self.unreadable.get(name, 0))
        samples = {
            who: [
                Sample(q.id, who, n, a or "", "stop", 1, a, "answer-line")
                for q, a in zip(asked, of, strict=True)
                for n in (-1, 0)
            ]
            for who, of in said.items()
        }
        ballots = {who: {q.id: count(q, [a]) for q, a in zip(asked, of, strict=True)} for who, of in said.items()}
        named = {"adapter_name": name} if name else {}
        facts = {"questions": ASKED, "votes": 1, "engine": "transformers", **named}
        facts |= summary(asked, samples, ballots, list(named.values()))
        work = self.home.root / "work" / "planted"
        work.mkdir(parents=True)
        write_tables(work, samples, ballots)
        place = publish(work, "evaluations", self.home, about={**about, "facts": facts}).artifact
        return Receipt(digest=read_manifest(self.home.root / place)["digest"], artifact=place, facts=facts, **about)


def planted(path: Path, *right: int) -> tuple[Home, Recipe, Planter]:
    """A home with as many versions, each with its evaluation on the test split."""
    home, chosen = Home.beside(), load(path)
    versions = [
        str(made(home, digest=f"{n}" * 64, base_model=chosen.training.base_model)) for n, _ in enumerate(right, start=1)
    ]
    do = Planter(home, dict(zip(versions, right, strict=True)))
    follow(contest(chosen, home.root, versions), do)
    return home, chosen, do
