"""promote: the evaluations of a candidate and of the champion on one gate set -> is the candidate better?

    judge(home, candidate, champion)   receipts of `evaluate` -> `paired`, and what it was drawn from

Both were evaluated on the same questions, each against its own base; here the two stand against each other, by the
rule of `evals.verdict`. Without a champion it is the base that a candidate has to beat. Chats have no right answer
of their own: by a judge, each side is right where its reply was preferred to the base's; by loss, where the
reference is likelier under it than under the other.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from evals.scored import Scored, rows
from evals.scorers.base import Score
from evals.verdict import verdict
from storage.home import Home
from storage.records import PonensError, Receipt
from storage.samples import BALLOTS
from storage.scores import SCORES
from tasks.teachers.build import keyless

SPLIT = "test"
_SAME = 1e-6  # nats a token: below this, arithmetic decides
Row = dict[str, Any]


class PromoteSpec(BaseModel):
    """What a new version must show before it becomes the champion. With it, a run ends in a promotion or a refusal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: str | list[str] = Field(
        SPLIT,
        description='What candidates are judged on: "test", the recipe\'s test split, or files kept for this alone, '
        "in any format that is read, relative to the recipe. Nothing in them is trained on.",
    )
    webhook: str | None = Field(
        None,
        pattern="^https?://",
        description="Where a new champion is posted as JSON; a secret address goes to PONENS_WEBHOOK.",
    )

    _keyless = field_validator("webhook")(keyless)


def judge(home: Home, candidate: Receipt, champion: Receipt | None) -> dict[str, Any]:
    """What the gate saw: `paired` of the candidate against the champion, or its base, and both accuracies.

    PonensError where the two cannot be compared, or an evaluation is gone.
    """
    mine, theirs = candidate.facts, champion.facts if champion else {}
    if champion is None:
        paired = {name: value for name, value in mine["paired"].items() if not name.endswith("_ids")}
    else:
        _comparable(candidate, champion)
        names = (str(theirs["adapter_name"]), str(mine["adapter_name"]))
        found = verdict(*_answers(home, champion, candidate), names).paired()
        paired = {name: value for name, value in found.items() if not name.endswith("_ids")}
    return {
        "paired": paired,
        "questions": mine["questions"],
        "votes": mine["votes"],
        "accuracy": {
            "candidate": mine["adapter"]["accuracy"],
            "against": (theirs["adapter"] if champion else mine["base"])["accuracy"],
        },
        "evaluations": {one.facts["adapter_name"]: one.artifact for one in (candidate, champion) if one},
    }


def _comparable(candidate: Receipt, champion: Receipt) -> None:
    bases = {str(one.ingredients["inputs"]["base_model"]) for one in (candidate, champion)}
    if candidate.facts.get("kind") == "chat" and len(bases) > 1:
        raise PonensError(
            "chats are judged against the base, and these two have different ones",
            seen=" and ".join(sorted(base[:16] for base in bases)),
            hint='promote it with --force --because "…" if you know that it is better',
        )


def _answers(home: Home, champion: Receipt, candidate: Receipt) -> tuple[list[Row], list[Row]]:
    """Answers of both as `evals.verdict` takes them, on the questions that say something of both."""
    if "kind" not in candidate.facts:
        return _voted(home, champion), _voted(home, candidate)
    before, after = _won(home, champion), _won(home, candidate)
    ids = [id for id in before if before[id].score.counts and after[id].score.counts]
    if candidate.facts["scorer"] == "loss":
        return rows([_likelier(before[id], after[id]) for id in ids]), rows(
            [_likelier(after[id], before[id]) for id in ids]
        )
    return rows([before[id] for id in ids]), rows([after[id] for id in ids])


def _voted(home: Home, evaluation: Receipt) -> list[Row]:
    return [
        {"id": b["question"], "group": b["group"], "gold": b["gold"], "answer": b["winner"]}
        for b in _table(home, evaluation, BALLOTS).iter_rows(named=True)
    ]


def _won(home: Home, evaluation: Receipt) -> dict[str, Scored]:
    """By question, the reply that answered."""
    return {
        row["question"]: Scored(
            row["question"],
            row["group"],
            row["subject"],
            row["index"],
            row["text"],
            row["finish"],
            Score(row["outcome"], row["value"], row["reason"], orjson.loads(row["measures"])),
        )
        for row in _table(home, evaluation, SCORES).filter("wins").iter_rows(named=True)
    }


def _likelier(mine: Scored, other: Scored) -> Scored:
    lower = other.score.measures["loss"] - mine.score.measures["loss"] > _SAME
    return replace(mine, score=replace(mine.score, outcome="right" if lower else "wrong"))


def _table(home: Home, evaluation: Receipt, file: str) -> pl.DataFrame:
    """The rows of the evaluation's adapter, whatever name it had then."""
    path: Path = home.root / evaluation.artifact / file
    try:
        return pl.read_parquet(path).filter(pl.col("subject") == evaluation.facts["adapter_name"])
    except OSError as error:
        raise PonensError("an evaluation is gone", seen=f"{path}: {error}", hint="run the same command again") from None
