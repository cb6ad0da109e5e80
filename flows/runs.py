"""ponens runs …: the runs of a home, for people and, with --json, for programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.homes import RecipeOption, elsewhere
from flows.show import stdout
from storage import runs
from storage.home import Home

app = typer.Typer(help="The runs of a home.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command("list")
def listed(
    recipe: RecipeOption = None,
    most: Annotated[int, typer.Option("--most", min=1, help="The newest so many.")] = 20,
    json: Json = False,
) -> None:
    """List runs, the newest last: id, recipe, outcome, adapter, accuracies and verdict."""
    home = Home.beside(recipe)
    rows = [_row(run) for run in runs.runs(home)][-most:]
    going = sorted(runs.under_way(home))
    if json:
        show.emit({"home": str(home.root), "runs": rows, "under_way": going})
        return
    table = Table("run", "recipe", "outcome", "adapter", "base accuracy", "accuracy", "verdict")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    for id in going:
        table.add_row(id, "", "under way", "", "", "", "")
    if rows or going:
        tables.put(stdout, table)
    else:
        stdout.print(f"no run in {home.root}; `ponens run RECIPE` makes one, {elsewhere(home, 'runs')}", soft_wrap=True)


@app.command("show")
def shown(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The beginning of a run's id, or RECIPE@latest.")],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Show one run: its steps, what they came to, the report."""
    found = runs.find(Home.beside(recipe), run)
    if json:
        show.emit(dict(found.outcome))
        return
    stdout.print(f"{found.id}  {escape(str(found.outcome.get('recipe')))}  {found.outcome.get('outcome')}")
    for step in found.outcome.get("steps", []):
        stdout.print(f"  {step['name']:<9} {step['status']:<7} {step['seconds']:>8.1f} s  {step['key'][:16]}")
    show.comparison(found.outcome)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _row(run: runs.Run) -> dict[str, Any]:
    outcome = run.outcome
    found = outcome.get("evaluation") or {}
    base, adapter = found.get("base") or {}, found.get("adapter") or {}
    return {
        "run": run.id,
        "recipe": outcome.get("recipe"),
        "outcome": outcome.get("outcome"),
        "adapter": outcome.get("adapter"),
        "base": base.get("accuracy"),
        "accuracy": adapter.get("accuracy"),
        "verdict": (found.get("paired") or {}).get("verdict"),
    }
