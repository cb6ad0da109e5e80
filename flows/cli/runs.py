"""ponens runs …: the runs of a home, for people and, with --json, for programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.cli.homes import RecipeOption, elsewhere
from flows.show import stderr, stdout
from storage import runs
from storage.browse import runs as browse
from storage.browse.files import Files
from storage.browse.runs import RunView
from storage.home import Home
from storage.progress import LOG

app = typer.Typer(help="The runs of a home.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
_HELP = "The beginning of a run's id, or RECIPE@latest."
RunName = Annotated[str, typer.Argument(metavar="RUN", help=_HELP, show_default=False)]
_LOOK_S = 0.5  # between two looks at the log of a run under way


@app.command("list")
def listed(
    recipe: RecipeOption = None,
    most: Annotated[int, typer.Option("--most", min=1, help="The newest so many.")] = 20,
    json: Json = False,
) -> None:
    """List runs, the newest last: id, recipe, outcome, adapter, accuracies and verdict."""
    home = Home.beside(recipe)
    seen = browse.listed(Files(home))[:most][::-1]
    rows = [_row(run) for run in seen]
    if json:
        going = [run.id for run in seen if run.state == "under way"]
        show.emit({"home": str(home.root), "runs": rows, "under_way": going})
        return
    table = Table("run", "recipe", "outcome", "adapter", "base accuracy", "accuracy", "verdict")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    if rows:
        tables.put(stdout, table)
    else:
        stdout.print(f"no run in {home.root}; `ponens run RECIPE` makes one, {elsewhere(home, 'runs')}", soft_wrap=True)


@app.command("show")
def shown(run: RunName, recipe: RecipeOption = None, json: Json = False) -> None:
    """Show one run: its steps, what they came to, why it failed, the report."""
    found = browse.find(Files(Home.beside(recipe)), run)
    if json:
        show.emit(dict(found.outcome) or {**_row(found), "steps": found.steps, "now": dict(found.now)})
        return
    stdout.print(f"{found.id}  {escape(found.name)}  {found.state}")
    for step in found.steps:
        seconds = f"{step['seconds']:>8.1f} s" if isinstance(step["seconds"], int | float) else f"{'–':>10}"
        stdout.print(f"  {step['name']:<9} {step['status']:<7} {seconds}  {str(step['key'])[:16]}")
    if found.now:
        stdout.print(f"  {escape(str(found.now.get('name')))}  {_position(found)}", soft_wrap=True)
    for why in (found.problem, found.outcome.get("error")):
        if why:
            stdout.print(escape(str(why)), soft_wrap=True)
    show.comparison(found.outcome)


@app.command()
def logs(
    run: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    recipe: RecipeOption = None,
) -> None:
    """Print what a run logged, also while it is under way."""
    files = Files(Home.beside(recipe))
    found = browse.find(files, run)
    file = found.folder / LOG
    if not file.exists() and found.state != "under way":
        stderr.print(f"{found.id} has left no log: it was {found.state}, or is of an earlier build", soft_wrap=True)
        return
    for text in _grown(lambda: file.read_bytes() if file.exists() else b"", lambda: follow and _goes_on(files, found)):
        stdout.out(text, end="")


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="RUN…", help=_HELP, show_default=False)],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Remove runs from a home for good; what they made stays until `ponens gc` finds that nothing refers to it."""
    home = Home.beside(recipe)
    chosen = dict.fromkeys(browse.find(Files(home), name).id for name in names)
    for id in chosen:
        runs.remove(home, id)
    if json:
        show.emit({"removed": list(chosen)})
    else:
        stdout.print(f"removed: {', '.join(chosen)}; `ponens gc` shows what nothing refers to now", soft_wrap=True)


def _grown(read: Callable[[], bytes], more: Callable[[], bool]) -> Any:
    """The text of a file as it grows, for as long as there may be more; whole letters."""
    told, going = 0, True
    while going:
        going = more()  # asked before the file is read, so that a last line is not missed
        content = read()
        end = len(content) if not going else content.rfind(b"\n") + 1
        if end > told:
            yield content[told:end].decode("utf-8", "replace")
            told = end
        if going:
            time.sleep(_LOOK_S)


def _goes_on(files: Files, run: RunView) -> bool:
    now = browse.one(files, run.id)
    return now is not None and now.state == "under way"


def _position(run: RunView) -> str:
    """How far the step has come that is at work, or was when the run was killed."""
    done, total = run.now.get("done"), run.now.get("total")
    many = "" if done is None else f"{done:,}{f' of {total:,}' if total else ''} {run.now.get('unit') or ''}"
    return escape("  ".join(str(part) for part in (many, run.now.get("note")) if part) or run.state)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _row(run: RunView) -> dict[str, Any]:
    found = run.part("evaluation")
    base, adapter, paired = (_part(found, name) for name in ("base", "adapter", "paired"))
    return {
        "run": run.id,
        "recipe": run.name or None,
        "outcome": run.state,
        "adapter": run.outcome.get("adapter"),
        "base": base.get("accuracy"),
        "accuracy": adapter.get("accuracy"),
        "verdict": paired.get("verdict"),
    }


def _part(found: Any, name: str) -> dict[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}
