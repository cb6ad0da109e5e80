"""Two sets of answers to the same questions become one word.

    rows {"id", "group", "gold", "answer" | None} of base and adapter ──verdict──▶ Verdict
    rows {"id", "group", "score" | None}

The rule. "better" or "worse" needs all three, else the word is "cannot tell":
1. p < 0.05. Where every question is right or wrong: exact McNemar, that is, the questions that changed lean to one
   side more than a fair coin does. Where scores lie between (F1, a judge's marks, the mean of several replies): the
   sign-flip test by problem, that is, so large a difference is rare when each problem's changes sign at random;
2. the bootstrap interval of the difference, clustered by problem, excludes 0;
3. the changes lie in at least six problems: below that no test by problem can reach 0.05 (2 / 2^5 > 0.05),
   and an interval drawn from so few problems is too narrow to be believed.
An unreadable answer (None) is wrong. Asking for both tests can only make the word more careful. How keys and answers
are compared, `evals.answers` says.
Where several adapters are compared with one base, p is adjusted for all comparisons: see `corrected`, and `across`
for several evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evals import notebook
from evals.pairs import pairs
from evals.stats import (
    ALPHA,
    clustered_bootstrap,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    sign_flip,
    smallest_detectable,
    smallest_detectable_mean,
    wilson,
)
from storage.records import UsageError, seed_of

Word = Literal["better", "worse", "cannot tell"]
Row = Mapping[str, Any]
Test = Literal["exact McNemar", "sign-flip"]
FEWEST_PROBLEMS = 6


@dataclass(frozen=True, slots=True)
class Side:
    """One subject: its share of right answers, or mean score; the 95 % interval; its share of unreadable answers.

    The interval is Wilson's, of scores the bootstrap's by problem.
    """

    accuracy: float
    ci95: tuple[float, float]
    unreadable: float

    def dict(self) -> dict[str, Any]:
        return {"accuracy": self.accuracy, "ci95": list(self.ci95), "unreadable": self.unreadable}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, its reason and every number behind it; `difference` is adapter less base.

    `fixed` and `broken` are the ids of questions that became right or wrong, of scores those that rose or fell.
    `changed` problems hold such a question; `adjusted_p` is `p` in view of all `comparisons`.
    """

    word: Word
    reason: str
    questions: int
    problems: int
    base: Side
    adapter: Side
    difference: float
    ci95: tuple[float, float]
    p: float
    test: Test
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    detectable: float | None
    changed: int
    adjusted_p: float
    comparisons: int = 1
    warnings: tuple[str, ...] = ()

    def paired(self) -> dict[str, Any]:
        """The `paired` part of an evaluation: counts under "fixed" and "broken", ids beside them."""
        return {
            "difference": self.difference,
            "ci95": list(self.ci95),
            "test": self.test,
            "p": self.p,
            **({"mcnemar_p": self.p} if self.test == "exact McNemar" else {}),
            "adjusted_p": self.adjusted_p,
            "comparisons": self.comparisons,
            "fixed": len(self.fixed),
            "broken": len(self.broken),
            "verdict": self.word,
            "reason": self.reason,
            "problems": self.problems,
            "detectable": self.detectable,
            "fixed_ids": list(self.fixed),
            "broken_ids": list(self.broken),
        }

    def dict(self) -> dict[str, Any]:
        return {
            "questions": self.questions,
            "base": self.base.dict(),
            "adapter": self.adapter.dict(),
            "paired": self.paired(),
        }

    def row(self, task: str = "", base: str = "base", adapter: str = "adapter") -> notebook.Row:
        """The verdict on a task, as a notebook shows it."""
        return notebook.Row(
            task,
            base,
            adapter,
            self.word,
            self.reason,
            self.questions,
            (self.base.accuracy, self.adapter.accuracy),
            self.difference,
            self.ci95,
            len(self.fixed),
            len(self.broken),
            self.adjusted_p,
            shares=self.test == "exact McNemar",
        )

    def plot(self) -> notebook.Picture:
        """The difference with its interval, as a notebook draws it."""
        return notebook.picture([self.row()])

    def _repr_html_(self) -> str:
        return notebook.table([self.row()]) + notebook.picture([self.row()])


def frames(
    base: Any,
    adapter: Any,
    *,
    id: str = "id",
    gold: str = "gold",
    answer: str = "answer",
    score: str | None = None,
    group: str | None = None,
) -> Verdict:
    """Judge two frames, of polars or pandas, or two lists of dictionaries, by the columns that are named.

    With `score` no key is needed. Without `group` each question counts by itself, which is too sure where several share
    a passage. UsageError where the frames are not of the same questions.
    """
    columns = {"id": id, "group": group, **({"score": score} if score else {"gold": gold, "answer": answer})}
    return verdict(_named(base, columns), _named(adapter, columns))


def _named(frame: Any, columns: Mapping[str, str | None]) -> Iterator[Row]:
    rows = (
        frame.to_dicts()
        if hasattr(frame, "to_dicts")
        else frame.to_dict("records")
        if hasattr(frame, "to_dict")
        else frame
    )
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping) or any(name and name not in row for name in columns.values()):
            raise UsageError(
                f"row {number} of a frame",
                seen=f"{list(row)}"[:200],
                expected=f"the columns {', '.join(filter(None, columns.values()))}",
                hint='name yours, such as answer="reply"',
            )
        yield {name: _value(row[column]) if column else None for name, column in columns.items()}


def _value(value: Any) -> Any:
    """A cell as Python has it: pandas writes nothing as NaN, and numbers are numpy's."""
    value = value.item() if hasattr(value, "item") else value
    nothing = (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in ("NAType", "NaTType")
    return None if nothing else value


def verdict(
    base_rows: Iterable[Row], adapter_rows: Iterable[Row], names: tuple[str, str] = ("base", "adapter")
) -> Verdict:
    """Judge the adapter against the base. UsageError where the rows are not the same questions.

    `names` are the sides' names in messages, such as the files they were read from.
    """
    asked, warnings = pairs(base_rows, adapter_rows, names)
    fixed = tuple(one.id for one in asked if one.adapter > one.base)
    broken = tuple(one.id for one in asked if one.adapter < one.base)
    by_problem: dict[str, list[float]] = {}
    for one in asked:
        by_problem.setdefault(one.group, []).append(one.adapter - one.base)
    seed = seed_of("verdict", *(one.id for one in asked))
    binary = {one.base for one in asked} | {one.adapter for one in asked} <= {0.0, 1.0}
    test: Test = "exact McNemar" if binary else "sign-flip"
    p = mcnemar_exact(len(fixed), len(broken)) if binary else sign_flip(by_problem, seed)
    totals = [math.fsum(side) for side in ([one.base for one in asked], [one.adapter for one in asked])]
    if binary:
        ci95 = paired_bootstrap(by_problem, seed)
        base95, adapter95 = (wilson(total, len(asked)) for total in totals)
    else:
        scores: dict[str, list[tuple[float, ...]]] = {}
        for one in asked:
            scores.setdefault(one.group, []).append((one.adapter - one.base, one.base, one.adapter))
        ci95, base95, adapter95 = clustered_bootstrap(scores, seed)
    unreadable = sum(one.base_unreadable for one in asked), sum(one.adapter_unreadable for one in asked)
    found = Verdict(
        word="cannot tell",
        reason="",
        questions=len(asked),
        problems=len(by_problem),
        base=Side(totals[0] / len(asked), base95, unreadable[0] / len(asked)),
        adapter=Side(totals[1] / len(asked), adapter95, unreadable[1] / len(asked)),
        difference=math.fsum(one.adapter - one.base for one in asked) / len(asked),
        ci95=ci95,
        p=p,
        test=test,
        fixed=fixed,
        broken=broken,
        detectable=smallest_detectable(len(asked), (len(fixed) + len(broken)) / len(asked))
        if binary
        else smallest_detectable_mean(by_problem),
        changed=sum(any(d) for d in by_problem.values()),
        adjusted_p=p,
        warnings=tuple(warnings),
    )
    return _worded(found)


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Verdicts on several adapters against one base, their words by p-values adjusted for all (Holm).

    Whoever compares twenty adapters that learnt nothing would otherwise find one "better" or "worse".
    """
    if len(verdicts) < 2:
        return list(verdicts)
    adjusted = zip(verdicts, holm([v.p for v in verdicts]), strict=True)
    return [_worded(replace(one, adjusted_p=p, comparisons=len(verdicts))) for one, p in adjusted]


def across(paired: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`Verdict.paired` of several evaluations, each against its own base, adjusted for all of them together (Holm).

    A word was given in view of fewer comparisons; more of them can only turn it into "cannot tell".
    """
    found = []
    for one, p in zip(paired, holm([one["mcnemar_p"] for one in paired]), strict=True):
        adjusted: dict[str, Any] = {"adjusted_p": p, "comparisons": len(paired)}
        if one["verdict"] != "cannot tell" and p >= ALPHA:
            adjusted |= {"verdict": "cannot tell", "reason": _chance(one["fixed"], one["broken"], p, len(paired))}
        found.append({**one, **adjusted})
    return found


def _chance(fixed: int, broken: int, p: float, comparisons: int) -> str:
    return (
        f"{fixed} questions were fixed and {broken} broken; among {comparisons} comparisons chance alone gives such "
        f"a split often enough (p = {p:.2g}, exact McNemar, adjusted)."
    )


def _worded(found: Verdict) -> Verdict:
    """The verdict with its word and reason, by the rule at the head of this file."""
    word, reason = _word(found)
    return replace(found, word=word, reason=reason)


def _word(v: Verdict) -> tuple[Word, str]:
    binary = v.test == "exact McNemar"
    if not v.fixed and not v.broken:
        what = "No answer changed between right and wrong on" if binary else "No score changed on"
        return "cannot tell", f"{what} any of the {v.questions} questions."
    up, down = ("were fixed", "broken") if binary else ("scored higher", "lower")
    flips = f"{len(v.fixed)} of {v.questions} questions {up} and {len(v.broken)} {down}"
    p, several = v.adjusted_p, "" if v.comparisons == 1 else f", adjusted for {v.comparisons} comparisons"
    shown = "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"
    test = f"{v.test}{'' if binary else ' by problem'}{several}"
    if p >= ALPHA:
        often = "such a split" if binary else "such a difference"
        return "cannot tell", f"{flips}; chance alone gives {often} often enough ({shown}, {test})."
    if v.changed < FEWEST_PROBLEMS:
        where = "one problem" if v.changed == 1 else f"only {v.changed} problems"
        return "cannot tell", f"{flips}, but they lie in {where}; at least {FEWEST_PROBLEMS} are needed."
    low, high = (f"{100 * x:+.1f}" if binary else f"{x:+.3g}" for x in v.ci95)
    between = f"{low} to {high}{' points' if binary else ''}".replace("-", "−")
    if v.ci95[0] <= 0 <= v.ci95[1]:
        return "cannot tell", f"{flips} ({shown}), but counted by problem the interval {between} holds 0."
    return (
        "better" if v.difference > 0 else "worse",
        f"{flips} ({shown}, {test}); the difference lies between {between.replace(' to ', ' and ')}.",
    )
