"""A subject of a verdict: results of any tool, or a run of our own.

subject("evals/a")                  files of a tool
subject("20261121")                 a run's first adapter, or its base where it has none
subject("logic@latest:base")        one subject of a run; also RUN:logic/2
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from storage import runs
from storage.evaluations.items import Choice, Evaluation, Item, Reply, Task
from storage.evaluations.load import load
from storage.home import Home
from storage.records import UsageError

if TYPE_CHECKING:
    from tasks.kinds.read_back import Subject


def subject(reference: str, choice: Choice, home: Home) -> Evaluation:
    """What a path or a run's name stands for. UsageError where it is neither."""
    path = Path(reference)
    if path.is_dir() and (path / "outcome.json").is_file() and (path / "recipe.json").is_file():
        return _run(runs.find(Home(path.resolve().parent.parent), path.name), "", reference)
    if path.is_dir() and (path / "runs").is_dir() and (path / "artifacts").is_dir():
        return _newest(Home(path.resolve()), reference)
    if path.exists() or "+" in reference:
        return load(reference, choice)
    name, _, of = reference.partition(":")
    try:
        return _run(runs.find(home, name), of, reference)
    except UsageError as error:
        if runs.runs(home) and path.suffix == "" and "/" not in name:
            raise
        raise UsageError(
            f"{reference} is not there",
            seen=f"no file or folder of this name in {Path.cwd()}, and no run",
            expected="a file or folder of results, or a run",
        ) from error


def _newest(home: Home, reference: str) -> Evaluation:
    evaluated = [run for run in runs.runs(home) if "evaluation" in run.outcome]
    if not evaluated:
        raise UsageError(
            f"{reference} has no run that was evaluated", expected="a home with one", hint="ponens evaluate RECIPE"
        )
    found = _run(evaluated[-1], "", reference)
    found.notes.append(f"{reference}: the newest of {len(evaluated)} runs that were evaluated, {evaluated[-1].id}")
    return found


def _run(run: runs.Run, name: str, reference: str) -> Evaluation:
    from tasks.kinds.read_back import answered  # polars and DuckDB: files of other tools need neither

    there = answered(run)
    if name and name not in [one.name for one in there]:
        raise UsageError(
            f"run {run.id} has no subject {name!r}", seen=", ".join(one.name for one in there), expected="one of these"
        )
    chosen = next((one for one in there if one.name == name), there[min(1, len(there) - 1)])
    return Evaluation(reference, "ponens", f"{run.id}:{chosen.name}", [_task(run, chosen)])


def _task(run: runs.Run, subject: Subject) -> Task:
    items = [
        Item(
            index=n,
            id=one.id,
            prompt="\n".join(message.content for message in one.messages),
            key=one.gold,
            options=one.options,
            fields={"group": one.group, "source_id": one.source_id},
            replies=[Reply(None, "" if one.answer is None else one.answer)],
            texts=[reply["text"] for reply in one.replies],
        )
        for n, one in enumerate(subject.answers.values())
    ]
    return Task(str(run.outcome["recipe"]), items)
