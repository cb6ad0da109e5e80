"""`ponens sweep`: one recipe with every combination of some settings, and one table of verdicts."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.show import stderr, stdout
from storage.home import Home
from storage.records import PonensError

if TYPE_CHECKING:
    from evals.report.sweep import Row, SweepFacts
    from flows.trials import Trial


def sweep(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/demo.toml.", show_default=False)
    ],
    over: Annotated[
        list[str], typer.Option(metavar="KEY=V1,V2", help="A setting and its values; every combination is tried.")
    ] = [],
    changes: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe for all.")
    ] = [],
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Train a recipe with every combination of settings; compare the adapters, corrected for their number."""
    from flows.trials import identity, shared, trials

    made, home = trials(recipe, changes, over), Home.beside(recipe)
    work = shared(made, home)
    told = {"sweep": identity(made), "home": str(home.root), "trials": [dict(t.settings) for t in made], "work": work}
    if not json:
        _ahead(made, work)
    if plan:
        if json:
            show.emit(told)
        return
    facts = _done(made, home, _command(recipe, over, changes))
    failed = [row for row in facts["rows"] if row["error"]]
    if json:
        show.emit({**told, **facts})
    else:
        _table(facts)
    if failed:
        raise PonensError(
            f"{len(failed)} of {len(made)} trials failed",
            seen=str(failed[0]["error"]).splitlines()[0],
            hint="the same command tries them again, and finds the others done",
        )


def _done(made: Sequence[Trial], home: Home, command: str) -> SweepFacts:
    """Run the sweep, write its page beside the runs, and give its facts."""
    from evals.report import sweep as evals
    from flows.cli.commands import in_prefect
    from flows.trials import groups, identity, shown
    from storage.artifacts import write_json

    with in_prefect():
        from flows.comparisons import sweep as flow

        said = flow(made[0].recipe, [t.name for t in made], [t.recipe for t in made], groups(made), home=home.root)
    rows: list[Row] = [
        {
            "settings": {key: shown(value) for key, value in trial.settings.items()},
            "adapter": run.get("adapter"),
            "run": run.get("run_id"),
            "error": run.get("error"),
            "accuracy": None,
            "ci95": None,
            "base": None,
            "paired": None,
        }
        for trial, run in zip(made, said["trials"], strict=True)
    ]
    standings = evals.standings(rows, said["evaluations"])
    measured = ("questions", "votes", "engine", "adapters")
    facts: SweepFacts = {
        "sweep": identity(made),
        "recipe": made[0].recipe.name,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "over": {key: list(dict.fromkeys(shown(t.settings[key]) for t in made)) for key in made[0].settings},
        "comparisons": len({row["adapter"] for row in standings if row["paired"]}),
        "rows": standings,
        "evaluations": [{name: one[name] for name in measured} for one in said["evaluations"]],
        "page": str(home.root / "sweeps" / identity(made) / "sweep.html"),
    }
    folder = Path(facts["page"]).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("sweep.html", evals.page(facts)), ("sweep.md", evals.markdown(facts))):
        aside = folder / f".{name}.{os.getpid()}"
        aside.write_text(text, "utf-8")
        aside.replace(folder / name)
    write_json(folder / "sweep.json", facts)
    return facts


def _command(recipe: Path, over: Sequence[str], changes: Sequence[str]) -> str:
    given = [word for one in over for word in ("--over", one)] + [word for one in changes for word in ("--set", one)]
    return shlex.join(["ponens", "sweep", str(recipe), *given])


def _ahead(made: Sequence[Trial], work: Sequence[Mapping[str, Any]]) -> None:
    count = "1 trial" if len(made) == 1 else f"{len(made)} trials"
    stderr.print(f"{count} over {', '.join(made[0].settings)}", soft_wrap=True)
    for one in work:
        often = "once" if one["times"] == 1 else f"{one['times']} times"
        whose = " for all" if one["times"] == 1 < one["trials"] else ""
        there = "" if not one["cached"] else ", done" if one["cached"] == one["times"] else f", {one['cached']} done"
        stderr.print(f"  {one['step']:<9} {often}{whose}{there}")


def _table(facts: SweepFacts) -> None:
    from evals.report.sweep import best, figures

    names = [key.rpartition(".")[2] for key in facts["over"]]
    titles = names if len(set(names)) == len(names) else list(facts["over"])
    # the intervals are on the page: a terminal has no room for them
    table = Table(*map(escape, titles), "adapter", "accuracy", "± base", "p", "verdict", box=None, pad_edge=False)
    for place, column in enumerate(table.columns):
        column.justify = "right" if len(names) < place < len(table.columns) - 1 else "left"
        column.no_wrap, column.overflow = place > len(names), "fold"
    for row in facts["rows"]:
        settings = [escape(row["settings"].get(name, "all")) for name in facts["over"]]
        name, accuracy, _, *rest = map(escape, figures(row))
        table.add_row(*settings, name, accuracy, *rest)
    tables.put(stdout, table)
    for row in (row for row in facts["rows"] if row["error"]):
        tried = escape(" ".join(row["settings"].values()))
        stderr.print(f"[red]✗[/] {tried}: {escape(str(row['error']))}", soft_wrap=True)
    found = best(facts)
    word = f"best: {found['adapter']}" if found else "none is better than its base"
    stdout.print(f"{word}; p and words by Holm's correction for {facts['comparisons']} comparisons", soft_wrap=True)
    stdout.print(f"page: {facts['page']}", soft_wrap=True)
