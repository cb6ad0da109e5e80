"""How far scores can be trusted: golds against themselves, golds made wrong on purpose, and other questions' golds.

    python benchmarks/scoring.py [--every 1] [--spider FILE] [--proofnet FILE]

Spider's golds are broken one place at a time; some such mutants mean the same (DISTINCT over unique rows, a LEFT JOIN
along a foreign key), so those two kinds stand apart. Without the files it says which are missing.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from evals.scorers.sql import SqlScorer
from evals.scorers.statement import StatementScorer, tokens
from storage.dialogues import Dialogue
from storage.records import Message
from tasks.sandbox.runner import Sandbox

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
Change = Callable[[exp.Expr], bool]
_COMPARED = {exp.GT: exp.GTE, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LT, exp.EQ: exp.NEQ, exp.NEQ: exp.EQ}
_SUMMED = {exp.Max: exp.Min, exp.Min: exp.Max, exp.Sum: exp.Avg, exp.Avg: exp.Sum}
_JOINED = {exp.Union: exp.Intersect, exp.Intersect: exp.Except, exp.Except: exp.Union}


def comparison(tree: exp.Expr) -> bool:
    """`>` becomes `>=`, `=` becomes `<>`, and so on."""
    for node in tree.find_all(*_COMPARED):
        if node.find_ancestor(exp.Where, exp.Having):
            node.replace(_COMPARED[type(node)](this=node.this, expression=node.expression))
            return True
    return False


def constant(tree: exp.Expr) -> bool:
    """A number that is compared with is one more, a text has a letter more."""
    for node in tree.find_all(exp.Literal):
        if node.find_ancestor(exp.Where, exp.Having):
            other = exp.Literal.string(f"{node.name}x") if node.is_string else exp.Literal.number(float(node.name) + 1)
            node.replace(other)
            return True
    return False


def aggregate(tree: exp.Expr) -> bool:
    """max becomes min, sum becomes avg."""
    for node in tree.find_all(*_SUMMED):
        node.replace(_SUMMED[type(node)](this=node.this))
        return True
    return False


def direction(tree: exp.Expr) -> bool:
    """An order is turned round."""
    for node in tree.find_all(exp.Ordered):
        node.set("desc", not node.args.get("desc"))
        return True
    return False


def limit(tree: exp.Expr) -> bool:
    """One row more."""
    node = tree.find(exp.Limit)
    if node is not None:
        node.set("expression", exp.Literal.number(int(node.expression.name) + 1))
    return node is not None


def condition(tree: exp.Expr) -> bool:
    """AND becomes OR."""
    for node in tree.find_all(exp.And):
        if node.find_ancestor(exp.Where):
            node.replace(exp.Or(this=node.this, expression=node.expression))
            return True
    return False


def column(tree: exp.Expr) -> bool:
    """A column is missing."""
    select = tree.find(exp.Select)
    if tree.find(*_JOINED) or select is None or len(select.expressions) < 2:
        return False
    select.expressions[0].pop()
    return True


def distinct(tree: exp.Expr) -> bool:
    """DISTINCT is added or taken away."""
    select = tree.find(exp.Select)
    if select is None:
        return False
    select.set("distinct", None if select.args.get("distinct") else exp.Distinct())
    return True


def outer(tree: exp.Expr) -> bool:
    """A join becomes a LEFT JOIN."""
    for node in tree.find_all(exp.Join):
        if node.args.get("on") is not None:
            node.set("side", "LEFT")
            return True
    return False


def without(kind: type[exp.Expr]) -> Change:
    """A clause is missing."""

    def change(tree: exp.Expr) -> bool:
        node = tree.find(kind)
        if node is not None:
            node.pop()
        return node is not None

    return change


WRONG: dict[str, Change] = {
    "another comparison": comparison,
    "another constant": constant,
    "another aggregate": aggregate,
    "another direction": direction,
    "another limit": limit,
    "AND as OR": condition,
    "a column missing": column,
    "no WHERE": without(exp.Where),
    "no HAVING": without(exp.Having),
    "no ORDER BY": without(exp.Order),
}
UNSURE: dict[str, Change] = {"DISTINCT": distinct, "LEFT JOIN": outer}


def mutants(query: str, changes: dict[str, Change]) -> Iterator[tuple[str, str]]:
    """The query, broken in each way that it has a place for."""
    for name, change in changes.items():
        tree = sqlglot.parse_one(query, read="sqlite")
        before = tree.sql("sqlite")
        if change(tree) and tree.sql("sqlite") != before:
            yield name, tree.sql("sqlite")


def dialogue(row: dict[str, Any]) -> Dialogue:
    """A row of Spider as a scorer takes it."""
    messages = (Message("user", row["question"]), Message("assistant", row["answer"]))
    return Dialogue(messages, "sql", {"schema": row["context"]})


def spider(file: Path, every: int) -> None:
    """Print how Spider's golds, their mutants and others' golds are scored."""
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    draw, start = random.Random(0), time.perf_counter()
    own, others = Counter[str](), Counter[str]()
    broken: dict[str, Counter[str]] = {name: Counter() for name in (*WRONG, *UNSURE)}
    unusable, missed = [], []
    with Sandbox() as sandbox:
        scorer = SqlScorer(sandbox)
        for row in rows[::every]:
            gold = dialogue(row)
            score = scorer.score(row["answer"], gold)
            own[score.outcome] += 1
            if not score.measures.get("telling"):
                unusable.append((row["answer"], score.reason))
            for name, query in mutants(row["answer"], WRONG | UNSURE):
                outcome = scorer.score(query, gold).outcome
                broken[name][outcome] += 1
                if outcome == "right" and name in WRONG:
                    missed.append((name, row["answer"], query))
            other = draw.choice([r for r in rows if r["db_id"] == row["db_id"] and r["answer"] != row["answer"]])
            others[scorer.score(other["answer"], gold).outcome] += 1
    print(f"Spider, {sum(own.values())} golds, {time.perf_counter() - start:.0f} s\n")
    print("| Queries | right | wrong | undecided | other |\n|---|---:|---:|---:|---:|")
    table = {"golds themselves": own, "another question's gold": others, **broken}
    table["all that should be wrong"] = sum((broken[name] for name in WRONG), Counter())
    for name, found in table.items():
        rest = sum(found.values()) - sum(found[o] for o in ("right", "wrong", "undecided"))
        print(f"| {name} | {found['right']} | {found['wrong']} | {found['undecided']} | {rest} |")
    for title, listed in (("No database tells", unusable), ("Taken for right", missed)):
        print(f"\n{title}: {len(listed)}", *listed, sep="\n  ")


def proofnet(file: Path) -> None:
    """Print how ProofNet's statements are scored against themselves and against the next one."""
    rows = [json.loads(line)["formal_statement"] for line in file.read_text("utf-8").splitlines()]
    golds = [Dialogue((Message("user", "?"), Message("assistant", row)), "statement") for row in rows]
    scorer = StatementScorer()
    right = sum(scorer.score(row, gold).right for row, gold in zip(rows, golds, strict=True))
    others = [scorer.score(rows[i - 1], golds[i]) for i in range(len(rows))]
    values = sorted(score.value for score in others)
    different = len({tuple(tokens(row)) for row in rows})
    print(f"\nProofNet, {len(rows)} statements, {different} different: {right} right against themselves,")
    print(f"{sum(score.right for score in others)} against another's, whose BLEU is {values[len(values) // 2]:.2f} in")
    print(f"the median and {values[len(values) * 95 // 100]:.2f} at the 95th percentile")


def main() -> None:
    """Run what there are files for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every so many rows of Spider")
    parser.add_argument("--spider", type=Path, default=DATA / "sql_spider" / "question_context_answer.jsonl")
    parser.add_argument("--proofnet", type=Path, default=DATA / "proofnet" / "test.jsonl")
    given = parser.parse_args()
    for file, measure in ((given.spider, lambda f: spider(f, given.every)), (given.proofnet, proofnet)):
        if file.exists():
            measure(file)
        else:
            print(f"{file} is not there")


if __name__ == "__main__":
    main()
