"""How well answers are read, and how fast: precision and recall on tests/prompts/replies.jsonl.

    python benchmarks/reading.py        tables in Markdown, as in docs/reading.md

Precision is the share of right letters among letters given, recall among replies that settle on one;
options of one text are one answer. Two naive readers are measured beside ours: the last capital letter
that is an option's, and the first `Answer: X`. A reply counts for the extractor that ought to fire in
recall, for the one that fired in precision. Times are process time, the least of five rounds.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from evals.vote import same_answer
from prompts.reading import CLASSES, EXTRACTORS, read
from storage.records import Question, Reading

FILE = Path(__file__).parents[1] / "tests" / "prompts" / "replies.jsonl"
ROUNDS, CALLS = 5, 20
Reader = Callable[[str, Question], Reading]


class Case(NamedTuple):
    """One line of the table."""

    reply: str
    question: Question
    answer: str | None
    extractor: str
    hard: bool


def last_capital(reply: str, question: Question) -> Reading:
    """Of the capital letters that are options', the last that stands alone."""
    found = re.findall(rf"(?<![A-Za-z])[{question.letters}](?![A-Za-z])", reply)
    return Reading(found[-1] if found else None, "")


def first_line(reply: str, question: Question) -> Reading:
    """The letter of the first `Answer: X`, in either language."""
    found = re.search(r"(?:Answer|答案)\s*[:：]\s*([A-Z])", reply)
    return Reading(found[1] if found and found[1] in question.letters else None, "")


READERS: dict[str, Reader] = {"this reader": read, "last capital letter": last_capital, "first `Answer: X`": first_line}


def cases() -> list[Case]:
    rows = (json.loads(line) for line in FILE.read_text("utf-8").splitlines())
    return [
        Case(r["reply"], Question("p", "q", tuple(r["options"])), r["answer"], r.get("extractor", ""), r["hard"])
        for r in rows
    ]


def right(case: Case, found: Reading) -> bool:
    """Whether a letter was given and is the reply's own, options of one text being one."""
    under = same_answer(case.question.options)
    return found.answer is not None and case.answer is not None and under[found.answer] == under[case.answer]


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} ({part}/{whole})" if whole else "–"


def by_reader(table: Iterable[Case]) -> list[str]:
    groups: dict[str, list[Case]] = {"all": [*table]}
    groups["English"] = [c for c in groups["all"] if c.question.language == "en"]
    groups["Chinese"] = [c for c in groups["all"] if c.question.language == "zh"]
    groups["made to mislead"] = [c for c in groups["all"] if c.hard]
    lines = ["| Reader | Replies | Precision | Recall |", "|---|---|---:|---:|"]
    for name, reader in READERS.items():
        for group, members in groups.items():
            found = [(case, reader(case.reply, case.question)) for case in members]
            good = sum(right(case, reading) for case, reading in found)
            given = sum(reading.answer is not None for _, reading in found)
            keyed = sum(case.answer is not None for case in members)
            lines.append(f"| {name} | {group} | {share(good, given)} | {share(good, keyed)} |")
    return lines


def by_extractor(table: Iterable[Case]) -> list[str]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("fired", "right", "due", "met")}
    for case in table:
        found = read(case.reply, case.question)
        good = right(case, found) if case.answer else found.extractor == case.extractor
        counts["fired"][found.extractor] += 1
        counts["right"][found.extractor] += good
        counts["due"][case.extractor] += 1
        counts["met"][case.extractor] += good
    lines = ["| Extractor or class | Precision | Recall |", "|---|---:|---:|"]
    for name in EXTRACTORS + CLASSES:
        precise = share(counts["right"][name], counts["fired"][name])
        lines.append(f"| {name} | {precise} | {share(counts['met'][name], counts['due'][name])} |")
    return lines


def cost() -> list[str]:
    """Microseconds a reply."""
    english = "Rik starts at the gate and faces north, as clue 2 says. Option A would need a left turn.\n"
    chinese = "小明从门口出发，面向北，因为第二条线索这样说。选项A需要左转，而他没有左转。\n"
    east, dong = ("south", "east", "north", "west"), ("南", "东", "北", "西")
    lines = ["| Reply | 1,000 characters | 10,000 characters |", "|---|---:|---:|"]
    kinds: list[tuple[str, str, str, tuple[str, ...]]] = [
        ("English, with an answer line", english, "Answer: B", east),
        ("English, without", english, "", east),
        ("Chinese, with an answer line", chinese, "答案：B", dong),
        ("Chinese, without", chinese, "", dong),
    ]
    for name, text, end, options in kinds:
        spent = [_cost((text * (size // len(text) + 1))[:size] + "\n" + end, options) for size in (1_000, 10_000)]
        lines.append(f"| {name} | {spent[0]:,.0f} µs | {spent[1]:,.0f} µs |")
    return lines


def _cost(reply: str, options: tuple[str, ...]) -> float:
    question, times = Question("p", "q", options), []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(CALLS):
            read(reply, question)
        times.append(time.process_time() - start)
    return min(times) / CALLS * 1e6


if __name__ == "__main__":
    known = cases()
    print("\n".join([*by_reader(known), "", *by_extractor(known), "", *cost()]))
