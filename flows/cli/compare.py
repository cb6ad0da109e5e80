"""What became of runs: `ponens diff`, `ponens results`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.cli.homes import RecipeOption
from flows.show import stdout
from storage import runs
from storage.home import Home

_WORDS = {
    "better": "The second run is [bold]better[/].",
    "worse": "The second run is [bold]worse[/].",
    "cannot tell": "Which of the two runs is better, [bold]these questions cannot tell[/].",
}
_SHOWN = 20  # questions of a kind, on a screen


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="The beginning of a run's id, or RECIPE@latest.", show_default=False)
]


def diff(first: RunName, second: RunName, recipe: RecipeOption = None, json: Json = False) -> None:
    """Compare two runs: settings, steps, and whether the second adapter is better than the first."""
    from tasks.evaluate.diff_runs import diff as compare

    home = Home.beside(recipe)
    found = compare(runs.find(home, first), runs.find(home, second))
    if json:
        show.emit(found)
    else:
        _shown(found)


def results(
    run: RunName,
    form: Annotated[
        str, typer.Option("--as", metavar="FORM", help="lm-eval, inspect, evalscope or rows.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="The folder to make; RUN-FORM here by default.")] = None,
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Write a run's evaluation for lm-evaluation-harness, Inspect, EvalScope or `ponens verdict`."""
    from tasks.evaluate.export_logs import write

    found = runs.find(Home.beside(recipe), run)
    written = write(found, form, out or Path(f"{found.id}-{form}"))
    if json:
        show.emit(written)
    else:
        stdout.print(f"{', '.join(written['subjects'])} as {form} in {escape(written['out'])}", soft_wrap=True)


def _shown(found: Mapping[str, Any]) -> None:
    from evals.report.text import interval, percent

    a, b = found["a"], found["b"]
    table = Table("", a["run"], b["run"])
    for name in ("recipe", "outcome", "snapshot", "adapter", "accuracy"):
        table.add_row(name, *(escape("–" if side[name] is None else str(side[name])) for side in (a, b)))
    for setting in found["settings"]:
        table.add_row(escape(setting["setting"]), escape(str(setting["a"])), escape(str(setting["b"])))
    tables.put(stdout, table)
    other = [step["step"] for step in found["steps"] if not step["same"]]
    stdout.print(f"steps that differ: {', '.join(other) or 'none'}", soft_wrap=True)
    judged = found["evaluation"]
    if judged is None:
        stdout.print("not both were evaluated: there is no verdict")
        return
    paired = judged["paired"]
    sides = [judged["base"], judged["adapter"]]
    shares = [f"{percent(side['accuracy'])} ({interval(side['ci95'])})" for side in sides]
    apart = f"; asked by one run alone: {judged['only_a']} and {judged['only_b']}"
    stdout.print(
        f"{_WORDS[paired['verdict']]} {escape(paired['reason'])}\n"
        f"first {shares[0]}, second {shares[1]}, 95 % intervals, "
        f"on {judged['questions']} questions in common" + (apart if judged["only_a"] or judged["only_b"] else ""),
        soft_wrap=True,
    )
    for kind, colour in (("fixed", "green"), ("broken", "red")):
        _questions(kind, colour, judged[kind])


def _questions(kind: str, colour: str, found: Sequence[Mapping[str, Any]]) -> None:
    from evals.scored import RIGHT

    for row in found[:_SHOWN]:
        key = "" if row["gold"] == RIGHT else f"key {row['gold']}: "
        said = f"{row['source_id'] or row['id']}  {key}{row['a'] or '–'} → {row['b'] or '–'}"
        stdout.print(
            f"[{colour}]{kind}[/] {escape(said)}  {escape(row['question'])}",
            no_wrap=True,
            overflow="ellipsis",
        )
    if len(found) > _SHOWN:
        stdout.print(f"[{colour}]{kind}[/] … and {len(found) - _SHOWN} more; --json lists all")
