"""Samples and ballots of the base and of adapters -> the numbers of an evaluation.

summary(questions, samples, ballots, ["logic/1", …])  -> figures, curves, slices, verdicts
savings(ballots, votes) and replays(ballots, questions, rules)  -> what early stopping saves
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evals.adaptive import Rule, replay
from evals.sides import curves, side
from evals.slices import labels, slices
from evals.verdict import Verdict, corrected, verdict
from evals.vote import same_answer
from storage.records import Ballot, Question, Sample

Ballots = Mapping[str, Ballot]  # by question id


def summary(
    questions: Sequence[Question],
    samples: Mapping[str, Sequence[Sample]],
    ballots: Mapping[str, Ballots],
    adapters: Sequence[str],
    stages: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The figures of "base" and of the first adapter side by side, those of all others under "others".

    `ballots` holds by subject one ballot for each question; `samples` those of the subjects that were
    asked. Where several adapters are compared with the base, each word is corrected for all of them. `stages` are
    adapters of which one went on from the other, (parent, child): each pair is compared as well, corrected with all
    others, and stands under "stages" with what it fixed and broke. Without
    any there is nothing under "adapter", "paired" and "others".
    """
    if not adapters:
        return _alone(questions, samples["base"], ballots["base"])
    sides = {name: side(questions, samples.get(name, ()), ballots[name]) for name in ("base", *adapters)}
    pairs = [*(("base", name) for name in adapters), *stages]
    every = corrected([verdict(_rows(ballots[one]), _rows(ballots[other]), (one, other)) for one, other in pairs])
    words = every[: len(adapters)]
    belongs = labels(questions)
    parts = {name: slices(ballots["base"].values(), ballots[name].values(), belongs) for name in adapters}
    by_votes = {name: curves(ballots[name]) for name in sides}
    first, *others = adapters
    return {
        "base": sides["base"],
        "adapter": sides[first],
        "curves": {"base": by_votes["base"][0], "adapter": by_votes[first][0]},
        "passes": {"base": by_votes["base"][1], "adapter": by_votes[first][1]},
        "slices": parts[first],
        "paired": words[0].paired(),
        "others": {
            name: sides[name]
            | {"paired": word.paired(), "slices": parts[name], "curve": by_votes[name][0], "passes": by_votes[name][1]}
            for name, word in zip(others, words[1:], strict=True)
        },
        **({"stages": _stages(stages, every[len(adapters) :])} if stages else {}),
    }


def _stages(stages: Sequence[tuple[str, str]], words: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Each stage against the one before it: figures, and the questions that it fixed and broke."""
    return [
        {"parent": parent, "child": child, "paired": word.paired()}
        | {"fixed": list(word.fixed), "broken": list(word.broken)}
        for (parent, child), word in zip(stages, words, strict=True)
    ]


def savings(ballots: Iterable[Ballots], votes: int) -> dict[str, float]:
    """Votes asked for, of how many, and the share that early stopping saved."""
    lengths = [len(b.votes) for of in ballots for b in of.values()]
    full = votes * len(lengths)
    return {"asked": sum(lengths), "full": full, "saved": 1 - sum(lengths) / full if full else 0.0}


def replays(
    ballots: Sequence[Ballots], questions: Iterable[Question], rules: Mapping[str, Rule]
) -> list[dict[str, Any]]:
    """What each rule would have saved on full ballots, and on which share the winner would have been the same."""
    letters = {q.id: list(same_answer(q.options).values()) for q in questions}
    found = {name: replay((b for of in ballots for b in of.values()), letters, rule) for name, rule in rules.items()}
    return [
        {"rule": name, "questions": of.questions, "saved": of.saved, "agreement": of.agreement}
        for name, of in found.items()
    ]


def _alone(questions: Sequence[Question], samples: Sequence[Sample], ballots: Ballots) -> dict[str, Any]:
    voted, passed = curves(ballots)
    parts = slices(ballots.values(), ballots.values(), labels(questions))
    return {
        "base": side(questions, samples, ballots),
        "curves": {"base": voted},
        "passes": {"base": passed},
        "slices": [{name: value for name, value in part.items() if "adapter" not in name} for part in parts],
    }


def _rows(ballots: Ballots) -> list[dict[str, Any]]:
    return [{"id": b.question, "group": b.group, "gold": b.gold, "answer": b.winner} for b in ballots.values()]
