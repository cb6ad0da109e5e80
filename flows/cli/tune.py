"""`ponens tune RECIPE`: preferences on top of the trained adapter; what that would take, and what it would see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from flows import show
from flows.cli import commands
from storage.home import Home
from storage.records import Receipt, UsageError

if TYPE_CHECKING:
    from flows.recipe import Recipe
    from tasks.train.spec import TrainSpec
    from tasks.tune.spec import TuneSpec

_COLOURS = {"chosen": "bold green", "rejected": "bold red"}


def tune(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A recipe that has a table tune.", show_default=False)
    ],
    changes: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value.")] = [],
    refresh: Annotated[list[str], typer.Option("--refresh", metavar="STEP", help="Do this step again.")] = [],
    estimate: Annotated[bool, typer.Option("--estimate", help="Say memory, steps, tokens and time.")] = False,
    preview: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Show N preferences in tokens, either side; tune nothing.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Tune the trained adapter on preferences."""
    if not (estimate or preview):
        commands.step("tune", recipe, changes, refresh, json=json)
        return
    from flows.bases import local
    from flows.recipe import load
    from tasks.tune.spec import TuneSpec

    home = Home.beside(recipe)
    chosen = local(load(recipe, list(changes)), home.root)
    chosen.require("tune")
    spec = chosen.tune or TuneSpec()  # it is there: else the line above would have said so
    made = preferences(chosen, home)
    if preview:
        _preview(spec, chosen.training, home.root / made.artifact, preview, json=json)
    else:
        _estimate(spec, chosen.training, home, made, json=json)


def preferences(recipe: Recipe, home: Home) -> Receipt:
    """The preferences that are there. UsageError if they are not made: replies are drawn for them, which takes time."""
    from flows.chain import Walk, chain
    from tasks.runtime.forecast import forecast, stand_in

    walk = Walk(chain(recipe, home.root))
    for step in walk:
        told = forecast(step, home)
        if told.status != "cached":
            raise UsageError(
                "the preferences are not made yet",
                seen=f"{step.name}: {told.why}",
                expected="rows to look at",
                hint="ponens run RECIPE --until prefer",
            )
        made = walk.done(stand_in(told))
        if step.name == "prefer":
            break
    return made


def _estimate(spec: TuneSpec, train: TrainSpec, home: Home, made: Receipt, *, json: bool) -> None:
    from tasks.tune.plan import estimate

    found = {"base_model": train.base_model, **estimate(spec, train, home, made)}
    if json:
        show.emit(found)
        return
    memory = ", ".join(f"{part} {size / 2**30:,.3f}" for part, size in found["memory"].items())
    time = f"{found['seconds']:,.0f} s, by {found['measured_by']}" if found["seconds"] else "unknown"
    show.stdout.print(
        f"memory: {memory} GiB on the {found['device']}\n"
        f"steps:  {found['steps']:,} of {found['rows_a_step']} preferences\n"
        f"tokens: {found['trained_tokens']:,} of replies; {_left_out(found)}\n"
        f"time:   {time}",
        soft_wrap=True,
        markup=False,
    )


def _preview(spec: TuneSpec, train: TrainSpec, source: Path, rows: int, *, json: bool) -> None:
    from flows.cli.preview import coloured
    from tasks.tune.preview import preview

    found = preview(spec, train, source, rows)
    if json:
        show.emit(found)
        return
    for sample in found["shown"]:
        show.stdout.print(Text(sample["name"], _COLOURS[sample["side"]]), soft_wrap=True)
        show.stdout.print(coloured(sample["tokens"]), soft_wrap=True)
    cut = f"{found['truncated']:,} of {found['replies']:,} replies cut at {found['max_length']:,} tokens"
    show.stdout.print(
        f"{found['rows']:,} preferences, {found['trained']:,} tokens of replies; {cut}; {_left_out(found)}",
        soft_wrap=True,
        markup=False,
    )


def _left_out(found: Mapping[str, Any]) -> str:
    return f"left out {found['left_out']:,} whose prompts are too long, {found['alike']:,} of two replies alike"
