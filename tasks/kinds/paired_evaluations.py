"""Two evaluations of one set, read back so that one subject can stand against itself or another.

    answers(home, before, after)    rows as `evals.verdict` takes them, by the adapters or by their bases

For `tasks.adapters.promote` and `tasks.adapters.reeval`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from evals.scored import Scored, rows
from evals.scorers.base import Score
from storage.home import Home
from storage.records import PonensError, Receipt
from storage.tables.samples import BALLOTS
from storage.tables.scores import SCORES

_SAME = 1e-6  # nats a token: below this, arithmetic decides
Row = dict[str, Any]


def answers(home: Home, before: Receipt, after: Receipt, *, base: bool = False) -> tuple[list[Row], list[Row]]:
    """Answers of both adapters, or of both bases, on the questions that both were asked and that say something of both.

    A question whose key was changed between the two is left out. Where a chat is judged by its loss, a side is right
    where the reference is likelier under it than under the other. PonensError if an evaluation is gone.
    """
    if "kind" not in after.facts:
        was, now = _voted(home, before, base), _voted(home, after, base)
        ids = [id for id in was if id in now and was[id]["gold"] == now[id]["gold"]]
        return [was[id] for id in ids], [now[id] for id in ids]
    old, new = _won(home, before, base), _won(home, after, base)
    ids = [id for id in old if id in new and old[id].score.counts and new[id].score.counts]
    if after.facts["scorer"] == "loss":
        return rows([_likelier(old[id], new[id]) for id in ids]), rows([_likelier(new[id], old[id]) for id in ids])
    return rows([old[id] for id in ids]), rows([new[id] for id in ids])


def _voted(home: Home, evaluation: Receipt, base: bool) -> dict[str, Row]:
    """By question, the letter that won."""
    return {
        b["question"]: {"id": b["question"], "group": b["group"], "gold": b["gold"], "answer": b["winner"]}
        for b in _table(home, evaluation, BALLOTS, base).iter_rows(named=True)
    }


def _won(home: Home, evaluation: Receipt, base: bool) -> dict[str, Scored]:
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
        for row in _table(home, evaluation, SCORES, base).filter("wins").iter_rows(named=True)
    }


def _likelier(mine: Scored, other: Scored) -> Scored:
    lower = other.score.measures["loss"] - mine.score.measures["loss"] > _SAME
    return replace(mine, score=replace(mine.score, outcome="right" if lower else "wrong"))


def _table(home: Home, evaluation: Receipt, file: str, base: bool) -> pl.DataFrame:
    """The rows of the base, or of the evaluation's adapter, whatever name it had then."""
    path: Path = home.root / evaluation.artifact / file
    subject = "base" if base else evaluation.facts["adapter_name"]
    try:
        return pl.read_parquet(path, glob=False).filter(pl.col("subject") == subject)
    except OSError as error:
        raise PonensError("an evaluation is gone", seen=f"{path}: {error}", hint="run the same command again") from None
