"""A verdict on results that any tool wrote: each subject against the first, each task by itself and all together.

    paths, runs ──subjects──▶ evaluations ──matching, judging, grouping──▶ rows ──evals.verdict──▶ words

The word is that of `evals.verdict` and of nothing else. All tests of one call are corrected together (Holm).
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from evals.verdict import corrected
from evals.verdict import verdict as judge
from storage.evaluations.items import Choice, Evaluation, Task
from storage.home import Home
from storage.records import UsageError
from tasks.verdict import question_rows
from tasks.verdict.comparison import Compared, Comparison, Row
from tasks.verdict.disagreements import disagreements
from tasks.verdict.grouping import groups
from tasks.verdict.matching import Matched, match, named
from tasks.verdict.question_rows import Repeats
from tasks.verdict.result_subjects import subject


@dataclass(frozen=True, slots=True)
class VerdictSpec:
    """What is compared and how; `choice` is how files are read."""

    subjects: Sequence[str]
    choice: Choice = field(default_factory=Choice)
    tasks: Sequence[str] = ()
    repeats: Repeats | None = None
    read: bool = False
    allow_missing: bool = False
    group: str | None = None


def compare(spec: VerdictSpec, home: Home) -> Comparison:
    """Judge every subject against the first. UsageError where they cannot be compared."""
    if len(spec.subjects) < 2:
        raise UsageError(
            "verdict",
            seen=f"{len(spec.subjects)} subject",
            expected="two or more: the first is what others are compared with",
        )
    with _collector_at_rest():
        return _judged(spec, home)


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """A block without garbage collection, which then passes over what the block made.

    Millions of values stay, and walking them takes half the time. They go as soon as nothing refers to them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()


def _judged(spec: VerdictSpec, home: Home) -> Comparison:
    choice = replace(spec.choice, repeated=spec.repeats is not None)
    first = subject(spec.subjects[0], choice, home)
    alike = replace(choice, alike={task.name: (task.filter, task.metric) for task in first.tasks})
    others = [subject(reference, alike, home) for reference in spec.subjects[1:]]
    loaded = [first, *others]
    names = _names(loaded)
    warnings = [note for one in loaded for note in one.notes]
    tasks = [
        _compared(a, b, (names[0], name), spec)
        for other, name in zip(others, names[1:], strict=True)
        for a, b in _tasks(first, other, (names[0], name), spec, warnings)
    ]
    several = {one.other for one in tasks if sum(each.other == one.other for each in tasks) > 1}
    overall = [found for name in names[1:] if name in several and (found := _together(tasks, name, warnings))]
    judged = [judge(*one.rows, (one.first, one.other)) for one in (*tasks, *overall)]
    for one, verdict in zip((*tasks, *overall), corrected(judged), strict=True):
        one.verdict = verdict
        one.warnings += verdict.warnings
    warnings += [warning for one in tasks for warning in one.warnings]
    told = [
        {"name": name, "path": one.path, "tool": one.tool, "model": one.model}
        for name, one in zip(names, loaded, strict=True)
    ]
    return Comparison(
        told, names, tasks, overall or (tasks if len(tasks) == len(others) else []), list(dict.fromkeys(warnings))
    )


def _names(loaded: Sequence[Evaluation]) -> list[str]:
    """What each subject is called: its model, its path where models are alike, with a number where paths are."""
    for found in ([one.model for one in loaded], [Path(one.path).name for one in loaded], [one.path for one in loaded]):
        if all(found) and len(set(found)) == len(found):
            return found
    return [f"{one.path} ({n})" for n, one in enumerate(loaded, 1)]


def _tasks(
    first: Evaluation, other: Evaluation, names: tuple[str, str], spec: VerdictSpec, warnings: list[str]
) -> Iterator[tuple[Task, Task]]:
    """The tasks of both, by their names; two alone are one task whatever their names are."""
    ours, theirs = ({task.name: task for task in one.tasks} for one in (first, other))
    if spec.tasks:
        for name in spec.tasks:
            if name not in ours or name not in theirs:
                raise UsageError(
                    f"task {name!r} is not on both sides",
                    seen=", ".join(sorted({*ours, *theirs})),
                    expected="a task of both",
                )
        ours, theirs = ({name: side[name] for name in spec.tasks} for side in (ours, theirs))
    if len(ours) == len(theirs) == 1:
        [a], [b] = ours.values(), theirs.values()
        if (
            a.name != b.name
            and first.tool == other.tool
            and first.tool not in ("table", "batch", "ms-swift", "llama-factory", "ponens")
        ):
            warnings.append(f"the task is called {a.name!r} in {names[0]} and {b.name!r} in {names[1]}")
        yield a, b
        return
    if alone := sorted(ours.keys() ^ theirs.keys()):
        if not spec.allow_missing or not ours.keys() & theirs.keys():
            raise UsageError(
                f"{names[0]} and {names[1]} have other tasks",
                seen=f"on one side only: {', '.join(alone)[:300]}",
                expected="the same tasks on both sides",
                hint="name those to judge with --task, or --allow-missing",
            )
        warnings.append(f"on one side only, and left out: {', '.join(alone)}")
    for name in ours:
        if name in theirs:
            yield ours[name], theirs[name]


def _compared(a: Task, b: Task, names: tuple[str, str], spec: VerdictSpec) -> Compared:
    matched = match(a, b, names, allow_missing=spec.allow_missing)
    sides = [
        Task(task.name, list(items), task.filter, task.metric, task.filters, task.metrics)
        for task, items in zip((a, b), zip(*matched.pairs, strict=True), strict=True)
    ]
    ours = spec.read or not all(question_rows.has_marks(side) for side in sides)
    if ours:
        _must_have_texts(sides, names)
    repeats, replies, said = _repeats(sides, names, spec, ours=ours)
    marks = [
        question_rows.by_reading(side, repeats) if ours else question_rows.by_tool(side, repeats) for side in sides
    ]
    grouped = groups(matched.pairs, spec.group, names)
    ids = _ids(matched)
    keyless = {n for n in range(len(ids)) if any(of.rows[n] is None for of in marks)}
    if len(keyless) == len(ids):
        raise UsageError(
            f"no question of task {a.name!r} has a key",
            seen=f"{len(ids)} questions",
            expected="a key or a score for each",
            hint="give keys with --keys, or name their column with --gold",
        )
    warnings = [*matched.warnings, *grouped.warnings, *said, *_others(a, b, names), *marks[0].notes]
    if keyless:
        warnings.append(f"{len(keyless)} of {len(ids)} questions have no key and were left out")
    if spec.allow_missing and (matched.only_a or matched.only_b):
        warnings.append(
            f"only the {len(ids)} questions in common are judged: {len(matched.only_a)} are only in {names[0]}, "
            f"{len(matched.only_b)} only in {names[1]}"
        )
    kept = [n for n in range(len(ids)) if n not in keyless]
    rows: list[list[Row]] = [
        [{"id": ids[n], "group": grouped.names[n], **(of.rows[n] or {})} for n in kept] for of in marks
    ]
    facts = {
        "filter": a.filter,
        "metric": a.metric,
        "reading": "ours" if ours else "tool",
        "judged_by": marks[0].by,
        "repeats": repeats if replies != (1, 1) else None,
        "replies": {names[0]: replies[0], names[1]: replies[1]},
        "matched": {"by": matched.by, "questions": len(ids), "only_a": matched.only_a, "only_b": matched.only_b},
        "groups": {"by": grouped.by, "n": len(set(grouped.names))},
    }
    otherwise = list(disagreements(sides, ids, names)) if spec.read else []
    where = f"{a.name}: " if a.name else ""
    return Compared(
        a.name,
        *names,
        facts,
        (rows[0], rows[1]),
        [matched.pairs[n] for n in kept],
        [where + one for one in warnings],
        otherwise,
    )


def _must_have_texts(sides: Sequence[Task], names: tuple[str, str]) -> None:
    for side, name in zip(sides, names, strict=True):
        if not any(item.texts for item in side.items):
            raise UsageError(
                f"{name}, task {side.name!r}: no replies to read",
                seen="likelihoods, or scores alone",
                expected="texts",
                hint="leave out --read: the tool's own marks then count",
            )


def _ids(matched: Matched) -> list[str]:
    """A name for each pair that no other has."""
    names = [named(a) for a, _ in matched.pairs]
    return names if len(set(names)) == len(names) else [f"{name} ({n})" for n, name in enumerate(names)]


def _repeats(
    sides: Sequence[Task], names: tuple[str, str], spec: VerdictSpec, *, ours: bool
) -> tuple[Repeats, tuple[int, int], list[str]]:
    """What counts of several replies, how many there are on each side, and a word on it."""
    counts = [question_rows.replies_of(side, ours=ours) for side in sides]
    most = counts[0][1], counts[1][1]
    if max(most) < 2:
        return "first", (1, 1), []
    if most[0] != most[1] and spec.repeats is None:
        raise UsageError(
            "the sides have another number of replies to a question",
            seen=f"{most[0]} in {names[0]}, {most[1]} in {names[1]}",
            expected="as many on both sides",
            hint="say what counts: --repeats first, or mean",
        )
    repeats = spec.repeats or "majority"
    told = {
        "majority": f"the majority of {most[0]} replies counts; a tie has no winner",
        "mean": f"the mean of {most[0]} replies counts",
        "first": "the first reply counts",
        "tool": "what the tool made of its repeats counts",
    }[repeats]
    said = [told if spec.repeats else f"{told} (--repeats says what else)"]
    if most[0] != most[1]:
        said.append(
            f"{names[0]} has {most[0]} replies to a question, {names[1]} {most[1]}: a majority of more is no fair match"
        )
    if uneven := [name for name, (least, top) in zip(names, counts, strict=True) if least != top]:
        said.append(f"not every question has as many replies in {', '.join(uneven)}")
    return repeats, most, said


def _others(a: Task, b: Task, names: tuple[str, str]) -> Iterator[str]:
    """A word on filters and metrics that were not read, or that differ."""
    if len(a.filters) > 1:
        yield f"filter {a.filter!r} of {', '.join(a.filters)} is judged (--filter)"
    if len(a.metrics) > 1:
        yield f"{a.metric!r} of {', '.join(a.metrics)} is judged (--metric)"
    for what, ours, theirs in (("filter", a.filter, b.filter), ("metric", a.metric, b.metric)):
        if ours != theirs and ours and theirs:
            yield f"{what} {ours!r} in {names[0]} is compared with {theirs!r} in {names[1]}"


def _together(tasks: Sequence[Compared], name: str, warnings: list[str]) -> Compared | None:
    """All tasks of one subject as one; None where their scores have no common scale."""
    of = [one for one in tasks if one.other == name]
    scores = [row.get("score") for one in of for side in one.rows for row in side]
    if any(score is not None and not 0 <= score <= 1 for score in scores):
        warnings.append(f"{name}: no verdict over all tasks, for not all scores lie from 0 to 1")
        return None
    rows: list[list[Row]] = [
        [
            {**row, "id": f"{one.name}/{row['id']}", "group": f"{one.name}/{row['group']}"}
            for one in of
            for row in one.rows[side]
        ]
        for side in (0, 1)
    ]
    facts = {"tasks": len(of)}
    return Compared(
        "", of[0].first, name, facts, (rows[0], rows[1]), [pair for one in of for pair in one.items], [], []
    )
