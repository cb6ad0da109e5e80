"""Every question with every reply of two subjects, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from storage.browse import evaluations
from storage.browse.evaluations import Evaluation, Subject
from storage.browse.pairs import CHANGES, Filter, Pair
from storage.records import FORCED, GREEDY, Question
from tasks.kinds.choice import read
from tasks.view.site import Site, ask, number

Row = dict[str, Any]
_OFFERED = 60  # evaluations that a menu holds, the newest
_CUT = 20_000  # characters of a reply: the whole of what models say


def index(site: Site, request: Request) -> Response:
    """The comparison that `a` and `b` name; by default the newest evaluation's base and adapter."""
    there = evaluations.listed(site.files)
    usable = [one for one in there if one.table]
    chosen = _chosen(request, there, usable)
    wanted = Filter(
        change=ask(request, "change") if ask(request, "change") in CHANGES else "",
        unread=ask(request, "unread") == "yes",
        extractor=ask(request, "extractor"),
        family=ask(request, "family"),
        text=ask(request, "q"),
        id=ask(request, "id"),
        page=number(request, "page"),
    )
    offered = [one for n, one in enumerate(usable) if n < _OFFERED or (chosen and one.id in _ids(chosen))]
    values: Row = {
        "groups": _groups(offered),
        "older": len(usable) - len(offered),
        "gone": len(there) - len(usable),
        "broken": site.files.broken("evaluate"),
    }
    if chosen is None:
        return site.page(request, "questions.html.j2", pair=None, **values)
    pair = site.pairs.of(*chosen)
    shown = site.pairs.page(pair, wanted)
    return site.page(
        request,
        "questions.html.j2",
        **values,
        pair=pair,
        wanted=asdict(wanted),
        shown=shown,
        questions=[_question(pair, row) for row in shown.rows] if wanted.id else shown.rows,
        changes=CHANGES,
        names=_names(pair),
    )


def _chosen(
    request: Request, there: Sequence[Evaluation], usable: Sequence[Evaluation]
) -> tuple[Subject, Subject] | None:
    a, b, evaluation = ask(request, "a"), ask(request, "b"), ask(request, "evaluation")
    if a and b:
        return evaluations.subject(there, a), evaluations.subject(there, b)
    one = evaluations.find(there, evaluation) if evaluation else next(iter(usable), None)
    if one is None:
        return None
    names = one.subjects
    return Subject(one, names[0]), Subject(one, names[min(1, len(names) - 1)])


def _ids(chosen: tuple[Subject, Subject]) -> set[str]:
    return {subject.evaluation.id for subject in chosen}


def _groups(usable: Sequence[Evaluation]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What the menus of subjects offer: for each evaluation its title, and reference and name of each subject."""
    titles = [(one.facts.get("adapter_name") or "base by itself", one.receipt.made_at[:16]) for one in usable]
    return [
        (f"{name} · {made_at.replace('T', ' ')} · {one.id[:8]}", [(str(Subject(one, n)), n) for n in one.subjects])
        for one, (name, made_at) in zip(usable, titles, strict=True)
    ]


def _names(pair: Pair) -> tuple[str, str]:
    """What the two are called where they stand side by side: with their evaluation where the name is one."""
    a, b = pair.a, pair.b
    if a.name != b.name:
        return a.name, b.name
    return f"{a.name} in {a.evaluation.id[:8]}", f"{b.name} in {b.evaluation.id[:8]}"


def _question(pair: Pair, row: Row) -> Row:
    """A question as it is shown: what was asked, and both sides' replies, the votes first, then greedy and forced."""
    choice = pair.a.evaluation.letters
    options = row.get("options") or []
    asked = Question(row["problem"], row["asked"], tuple(options), None) if choice and options else None
    messages = row.get("messages") or []
    sides = []
    for x, replies in zip("ab", row["replies"], strict=True):
        gold = row["gold"] if x == "a" else row["gold_b"]
        told = [_reply(asked, reply, gold) for reply in replies]
        votes = [reply for reply in told if reply["index"] >= 0]
        sides.append(
            {
                "answer": row[f"answer_{x}"],
                "right": row[f"right_{x}"],
                "gold": gold,
                "votes": row[f"votes_{x}"] or [],
                "first": next((r for r in told if r["wins"] or r["index"] == GREEDY), votes[0] if votes else None),
                "replies": [*votes, *(r for r in told if r["index"] < 0)],
            }
        )
    return {
        **row,
        "options": options,
        "before": messages[:-2],
        "reference": messages[-1]["content"] if messages else "",
        "sides": sides,
    }


def _reply(asked: Question | None, reply: Mapping[str, Any], gold: str) -> Row:
    text = reply["text"] or ""
    at = None
    if asked is not None and len(text) <= _CUT:
        found = read(asked, reply["index"], text, reply["finish"])
        # another build may have read it otherwise: then nothing is marked
        at = list(found.at) if found.at and found.answer == reply["answer"] else None
    name = {GREEDY: "greedy", FORCED: "letter forced"}.get(reply["index"], f"vote {reply['index'] + 1}")
    read_as = reply["answer"]
    return {**reply, "text": text, "at": at, "name": name, "right": read_as == gold, "cut": reply["finish"] == "length"}
