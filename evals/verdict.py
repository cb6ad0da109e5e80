"""Two sets of answers to the same questions become one word.

    rows {"id", "group", "gold", "answer" | None} of base and adapter ──verdict──▶ Verdict

The rule. "better" or "worse" needs all three, else the word is "cannot tell":
1. exact McNemar p < 0.05: the questions that changed lean to one side more than a fair coin does;
2. the bootstrap interval of the difference, clustered by problem, excludes 0;
3. the changes lie in at least six problems: below that no test by problem can reach 0.05 (2 / 2^5 > 0.05),
   and an interval drawn from so few problems is too narrow to be believed.
An unreadable answer (None) is wrong. Asking for both tests can only make the word more careful.
Where several adapters are compared with one base, p is adjusted for all comparisons: see `corrected`, and `across`
for several evaluations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evals.stats import ALPHA, holm, mcnemar_exact, paired_bootstrap, smallest_detectable, wilson
from storage.records import UsageError, seed_of

Word = Literal["better", "worse", "cannot tell"]
Row = Mapping[str, Any]
FEWEST_PROBLEMS = 6
_FIELDS = ("id", "group", "gold", "answer")


@dataclass(frozen=True, slots=True)
class Side:
    """One subject: its share of right answers, Wilson's interval, its share of unreadable ones."""

    accuracy: float
    ci95: tuple[float, float]
    unreadable: float

    def dict(self) -> dict[str, Any]:
        return {"accuracy": self.accuracy, "ci95": list(self.ci95), "unreadable": self.unreadable}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, its reason and every number behind it; `difference` is adapter less base.

    `changed` problems hold a question that changed; `adjusted_p` is `mcnemar_p` in view of all `comparisons`.
    """

    word: Word
    reason: str
    questions: int
    problems: int
    base: Side
    adapter: Side
    difference: float
    ci95: tuple[float, float]
    mcnemar_p: float
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    detectable: float | None
    changed: int
    adjusted_p: float
    comparisons: int = 1

    def paired(self) -> dict[str, Any]:
        """The `paired` part of an evaluation: counts under "fixed" and "broken", ids beside them."""
        return {
            "difference": self.difference,
            "ci95": list(self.ci95),
            "mcnemar_p": self.mcnemar_p,
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


def verdict(
    base_rows: Iterable[Row], adapter_rows: Iterable[Row], names: tuple[str, str] = ("base", "adapter")
) -> Verdict:
    """Judge the adapter against the base. UsageError where the rows are not the same questions.

    `names` are the sides' names in messages, such as the files they were read from.
    """
    base, adapter = _by_id(base_rows, names[0]), _by_id(adapter_rows, names[1])
    _must_match(base, adapter, names)
    ids = sorted(base)
    score = {i: (_right(base[i]), _right(adapter[i])) for i in ids}
    fixed = tuple(i for i in ids if score[i] == (False, True))
    broken = tuple(i for i in ids if score[i] == (True, False))
    by_problem: dict[str, list[int]] = {}
    for i in ids:
        by_problem.setdefault(str(base[i]["group"]), []).append(int(score[i][1]) - int(score[i][0]))
    ci95 = paired_bootstrap(by_problem, seed_of("verdict", *ids))
    p = mcnemar_exact(len(fixed), len(broken))
    changed = sum(any(d) for d in by_problem.values())
    word, reason = _word(len(fixed), len(broken), p, ci95, changed, len(ids))
    return Verdict(
        word=word,
        reason=reason,
        questions=len(ids),
        problems=len(by_problem),
        base=_side(base),
        adapter=_side(adapter),
        difference=(len(fixed) - len(broken)) / len(ids),
        ci95=ci95,
        mcnemar_p=p,
        fixed=fixed,
        broken=broken,
        detectable=smallest_detectable(len(ids), (len(fixed) + len(broken)) / len(ids)),
        changed=changed,
        adjusted_p=p,
    )


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Verdicts on several adapters against one base, their words by p-values adjusted for all (Holm).

    Whoever compares twenty adapters that learnt nothing would otherwise find one "better" or "worse".
    """
    if len(verdicts) < 2:
        return list(verdicts)
    found = []
    for one, p in zip(verdicts, holm([v.mcnemar_p for v in verdicts]), strict=True):
        word, reason = _word(len(one.fixed), len(one.broken), p, one.ci95, one.changed, one.questions, len(verdicts))
        found.append(replace(one, word=word, reason=reason, adjusted_p=p, comparisons=len(verdicts)))
    return found


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


def _word(
    fixed: int, broken: int, p: float, ci95: tuple[float, float], changed: int, n: int, comparisons: int = 1
) -> tuple[Word, str]:
    """The word and its reason, by the rule at the head of this file."""
    if fixed + broken == 0:
        return "cannot tell", f"No answer changed between right and wrong on any of the {n} questions."
    flips = f"{fixed} of {n} questions were fixed and {broken} broken"
    apart = ci95[0] > 0 or ci95[1] < 0
    shown = "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"
    test = "exact McNemar" if comparisons == 1 else f"exact McNemar, adjusted for {comparisons} comparisons"
    if p >= ALPHA:
        return "cannot tell", f"{flips}; chance alone gives such a split often enough ({shown}, {test})."
    if changed < FEWEST_PROBLEMS:
        where = "one problem" if changed == 1 else f"only {changed} problems"
        return "cannot tell", f"{flips}, but they lie in {where}; at least {FEWEST_PROBLEMS} are needed."
    low, high = (f"{100 * x:+.1f}".replace("-", "−") for x in ci95)
    if not apart:
        return "cannot tell", f"{flips} ({shown}), but counted by problem the interval {low} to {high} points holds 0."
    return (
        "better" if fixed > broken else "worse",
        f"{flips} ({shown}, {test}); the difference lies between {low} and {high} points.",
    )


def _right(row: Row) -> bool:
    return row["answer"] is not None and row["answer"] == row["gold"]


def _side(rows: Mapping[str, Row]) -> Side:
    right, n = sum(map(_right, rows.values())), len(rows)
    return Side(right / n, wilson(right, n), sum(r["answer"] is None for r in rows.values()) / n)


def _by_id(rows: Iterable[Row], name: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for number, row in enumerate(rows, 1):
        if missing := [f for f in _FIELDS if f not in row]:
            raise UsageError(f"{name}, row {number}", seen=sorted(row), expected=f"the fields {', '.join(_FIELDS)}",
                             hint=f"add {', '.join(missing)}; an unreadable answer is null")  # fmt: skip
        if row["gold"] is None:
            raise UsageError(f"{name}, row {number}", seen="gold null", expected="the key of the question",
                             hint="leave out questions without a key")  # fmt: skip
        if str(row["id"]) in found:
            raise UsageError(f"{name}, row {number}", seen=f"id {row['id']!r} a second time", expected="each id once",
                             hint="give one row a question: the winner of its vote")  # fmt: skip
        found[str(row["id"])] = row
    if not found:
        raise UsageError(name, seen="no rows", expected="a row for each question", hint="evaluate first")
    return found


def _must_match(base: Mapping[str, Row], adapter: Mapping[str, Row], names: tuple[str, str]) -> None:
    for have, lack, where in ((base, adapter, names[1]), (adapter, base, names[0])):
        if missing := sorted(have.keys() - lack.keys()):
            raise UsageError(where, seen=f"{len(missing)} ids missing, the first {missing[0]!r}",
                             expected=f"the same {len(have)} ids on both sides",
                             hint="evaluate both on the same questions")  # fmt: skip
    for field in ("gold", "group"):
        for i in sorted(base):
            if base[i][field] != adapter[i][field]:
                raise UsageError(f"question {i!r}, {field}",
                                 seen=f"{base[i][field]!r} in {names[0]}, {adapter[i][field]!r} in {names[1]}",
                                 expected=f"the same {field} on both sides",
                                 hint="evaluate both on the same version of the questions")  # fmt: skip
