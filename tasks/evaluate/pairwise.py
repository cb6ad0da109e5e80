"""Chats, which have no right answer: whose reply the judge prefers, and under whom the reference is likelier.

Both give the scores of base and adapter against each other, so that one side's "right" is the other's "wrong".
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evals.scored import GREEDY, Scored
from evals.scorers.base import Score, reference
from storage.artifacts import write_json
from storage.dialogues import Dialogue
from storage.records import failure
from tasks.evaluate.generation import Order, Reply, Subject
from tasks.evaluate.judging import JudgeSpec, Pair, decide
from tasks.evaluate.loss_main import LOSSES, Loss, load
from tasks.kinds.registry import KINDS
from tasks.runtime import process
from tasks.runtime.step import Tick, Workshop

Judged = tuple[dict[str, list[Scored]], dict[str, list[Scored]]]  # base and adapter, replies by question
_SAME = 1e-6  # nats a token: below this, arithmetic decides


def likelier(
    order: Order,
    asked: Mapping[str, Dialogue],
    greedy: Mapping[tuple[str, str], Reply],
    scratch: Path,
    shop: Workshop,
) -> dict[str, Judged]:
    """By adapter, base and adapter scored by the loss of the reference; a reply stands beside its score."""
    losses = _losses(order, asked, scratch, shop)
    base, found = order.subjects[0].name, {}
    for subject in order.subjects[1:]:
        sides: Judged = ({}, {})
        for id, dialogue in asked.items():
            before, after = losses[base, id], losses[subject.name, id]
            for side, mine, other in ((sides[0], before, after), (sides[1], after, before)):
                reply = greedy[mine.subject, id]
                side[id] = [
                    Scored(id, dialogue.group, mine.subject, GREEDY, reply.text, reply.finish, _score(mine, other))
                ]
        found[subject.name] = sides
    return found


def unmeasured(
    subjects: Sequence[Subject], asked: Mapping[str, Dialogue], greedy: Mapping[tuple[str, str], Reply]
) -> dict[str, Judged]:
    """By adapter, the replies of base and adapter without a score, for a judge to give one."""

    def side(name: str) -> dict[str, list[Scored]]:
        none = Score("undecided", 0.0, "no loss is known")
        said = {id: greedy[name, id] for id in asked}
        return {id: [Scored(id, asked[id].group, name, GREEDY, r.text, r.finish, none)] for id, r in said.items()}

    return {subject.name: (side(subjects[0].name), side(subject.name)) for subject in subjects[1:]}


def preferred(
    spec: JudgeSpec, pairs: Mapping[str, Judged], asked: Mapping[str, Dialogue], shop: Workshop
) -> tuple[dict[str, Judged], dict[str, Any]]:
    """The same replies scored by a judge, their losses a measure; its counts, by adapter where there are several."""
    found, facts = {}, {}
    for name, (before, after) in pairs.items():
        shown = {
            id: Pair(dialogue.messages[:-1], reference(dialogue), before[id][0].text, after[id][0].text)
            for id, dialogue in asked.items()
        }
        judged, facts[name] = decide(spec, shown, shop)
        sides: Judged = ({}, {})
        for id, (choice, reason, raised) in judged.items():
            for side, own, mine in ((0, before, "first"), (1, after, "second")):
                one = own[id][0]
                if choice is None:
                    score = Score("error" if raised else "undecided", 0.0, reason, one.score.measures)
                elif choice == "tie":
                    score = Score("tie", 0.5, reason, one.score.measures)
                else:
                    right = choice == mine
                    score = Score("right" if right else "wrong", float(right), reason, one.score.measures)
                sides[side][id] = [replace(one, score=score)]
        found[name] = sides
    return found, next(iter(facts.values())) if len(facts) == 1 else facts


def _losses(
    order: Order,
    asked: Mapping[str, Dialogue],
    scratch: Path,
    shop: Workshop,
) -> dict[tuple[str, str], Loss]:
    rows = [
        {
            "id": id,
            "prompt": [m.dict() for m in KINDS["chat"].asking.ask(dialogue)],
            "completion": [dialogue.messages[-1].dict()],
        }
        for id, dialogue in asked.items()
    ]
    write_json(scratch / "losses.json", order.told("loading", "subjects", "rendering", "on_mismatch") | {"rows": rows})

    def hear(message: dict[str, Any]) -> None:
        if "done" in message:
            shop.progress(Tick(message["done"], message["total"], "references"))

    with shop.devices(1) as devices:
        process.run(
            [sys.executable, "-m", "tasks.evaluate.loss_main", str(scratch / "losses.json")],
            log=scratch / "losses.log",
            hear=hear,
            what="the loss of the references",
            relief="take fewer or shorter dialogues ([evaluate] limit)",
            devices=devices,
        )
    return {(loss.subject, loss.row): loss for loss in load(scratch / LOSSES)}


def _score(mine: Loss, other: Loss) -> Score:
    try:
        return _compared(mine, other)
    except Exception as error:  # no reference may end an evaluation
        return Score("error", 0.0, failure(error))


def _compared(mine: Loss, other: Loss) -> Score:
    if mine.loss is None or other.loss is None:
        return Score("gold-invalid", 0.0, mine.reason or other.reason)
    value, measures = min(1.0, math.exp(-mine.loss)), {"loss": mine.loss}
    if abs(mine.loss - other.loss) < _SAME:
        return Score("tie", value, "the reference is as likely under both", measures)
    lower = mine.loss < other.loss
    said = f"the reference is {'likelier' if lower else 'less likely'} under it: {mine.loss:.3f} and {other.loss:.3f}"
    return Score("right" if lower else "wrong", value, f"{said} nats a token", measures)
