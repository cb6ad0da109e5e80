"""A comparison as the page of a verdict shows it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from evals.evaluation import PairedFacts
from evals.report.verdict_page import JudgedFacts, SaidFacts, VerdictFacts
from evals.report.verdict_page import page as rendered
from storage.evaluations.items import Item
from tasks.verdict.comparison import Compared, Comparison

_MOST = 400  # questions on a page
_REPLY = 4_000  # characters of a text on it


def page(found: Comparison, command: Sequence[str]) -> str:
    """The comparison as one HTML document; `command` is what made it."""
    together = [one for one in found.overall if one not in found.tasks]
    head = found.overall[0] if found.overall else found.tasks[0]
    changed = [said for one in found.tasks if one.other == head.other for said in _changed(one)]
    facts: VerdictFacts = {
        "head": _judged(head),
        "judged": [_judged(one) for one in (*found.tasks, *together)],
        "subjects": found.subjects,
        "warnings": [warning.rstrip(".") for warning in found.warnings],
        "questions": changed[:_MOST],
        "left_out": max(0, len(changed) - _MOST),
        "disagreements": [of for one in found.tasks for of in one.disagreements],
        "command": shlex.join(command),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return rendered(facts)


def _judged(one: Compared) -> JudgedFacts:
    told = one.judged.dict()
    return {
        "task": one.name,
        "a": one.first,
        "b": one.other,
        "shares": one.judged.test == "exact McNemar",
        "questions": one.judged.questions,
        "base": told["base"],
        "adapter": told["adapter"],
        "paired": cast(PairedFacts, told["paired"]),
        "facts": list(_facts(one.facts)),
    }


def _facts(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "matched" in facts:
        yield "matched by", facts["matched"]["by"]
        yield "groups by", facts["groups"]["by"]
        yield "judged by", facts["judged_by"]
    for name in ("filter", "metric", "repeats"):
        if facts.get(name):
            yield name, str(facts[name])


def _changed(one: Compared) -> Iterator[SaidFacts]:
    of = {"fixed": set(one.judged.fixed), "broken": set(one.judged.broken)}
    for id, (a, b), (ours, theirs) in zip(one.ids, one.items, zip(*one.rows, strict=True), strict=True):
        for change in ("broken", "fixed"):
            if id in of[change]:
                yield {
                    "id": id,
                    "task": one.name,
                    "change": change,
                    "prompt": a.prompt[:_REPLY],
                    "key": str(a.key or ours.get("gold") or "")[:200],
                    "a": _said(a),
                    "b": _said(b),
                    "a_score": ours.get("score"),
                    "b_score": theirs.get("score"),
                }


def _said(item: Item) -> str:
    if item.texts:
        return "\n\n".join(item.texts)[:_REPLY]
    return ", ".join(str(reply.answer) for reply in item.replies if reply.answer not in (None, ""))[:_REPLY]
