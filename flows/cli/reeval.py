"""`ponens reeval`: the champion measured again, and how it went over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.show import stderr, stdout
from storage.home import Home
from storage.records import Refused

_SHOWN = 8  # rounds on a screen


def reeval(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/logic.toml.", show_default=False)
    ],
    changes: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe.")
    ] = [],
    round: Annotated[
        str | None, typer.Option(metavar="NAME", help="A name for this measure; by default the day.")
    ] = None,
    accept: Annotated[
        str, typer.Option(metavar="WHY", help="Hold later rounds against this one: the champion is right as it is.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Measure the champion and the base again; exit code 3 if the champion fell by more than chance does."""
    from flows.cli.commands import in_prefect
    from flows.recipe import load

    chosen, home = load(recipe, changes), Home.beside(recipe)
    with in_prefect():
        from flows.reeval import reeval as flow

        state = flow(chosen, home=home.root, round=round, accept=accept, return_state=True)
        found: Any = state.result(raise_on_failure=False)
    if isinstance(found, BaseException):
        raise found
    if json:
        show.emit(found)
    else:
        _shown(home, found)
    if found["alarms"]:
        told = "\n  ".join(found["alarms"])
        raise Refused(
            f"{found['champion'] or 'the base'} of {found['recipe']} is not what it was",
            seen=told,
            expected="no fall beyond noise",
            hint=f"ponens rollback {found['recipe']}, or if this is wanted: "
            f'ponens reeval {recipe} --round "{found["round"]}" --accept "…"',
        )


def _shown(home: Home, found: Mapping[str, Any]) -> None:
    from evals.report.trend import row, spark
    from flows.reeval import points
    from storage import reevaluations

    rounds = reevaluations.history(home, found["recipe"])
    if found["champion"] is None:
        ways = f"`ponens promote {found['recipe']}/N` makes one"
        stderr.print(
            f"{escape(found['recipe'])} has no champion: the base is measured by itself; {ways}", soft_wrap=True
        )
    for one in found["sets"]:
        course = points(rounds, one["set"])
        line = spark([point["accuracy"] for point in course])
        held = f", held against {one['against']['name']}" if one["against"] else ""
        said = f"[bold]{escape(one['set'])}[/] {one['questions']} questions{escape(held)}  {line}"
        stdout.print(said, soft_wrap=True)
        titles = ("round", "champion", "accuracy", "95 % interval", "base", "unreadable", "")
        table = Table(*titles, box=None, pad_edge=False)
        for column in table.columns[2:6]:
            column.justify, column.no_wrap = "right", True
        for point in course[-_SHOWN:]:
            table.add_row(*map(escape, row(point)))
        tables.put(stdout, table)
        for test in (one["tests"] or {}).values():
            stdout.print(f"  {escape(test['reason'])}", soft_wrap=True)
    stdout.print(f"trend: {escape(found['page'])}", soft_wrap=True)
    for warning in found["warnings"]:
        stderr.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)
