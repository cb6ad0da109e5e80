"""`ponens join RECIPE`: another machine in the training that the first node's `ponens run` does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import flows.offline  # noqa: F401
from flows.show import stderr
from storage.records import PonensError, UsageError

if TYPE_CHECKING:
    from flows.recipe import Recipe
    from storage.home import Home

_LOOK_S = 2.0


def join(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="The recipe that the first node runs.", show_default=False)
    ],
    node: Annotated[
        int, typer.Option(envvar="NODE_RANK", help="This machine's number, from 1 on.", show_default=False)
    ],
    changes: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="What the first node is told to change.")
    ] = [],
    wait: Annotated[float, typer.Option(min=0, help="Minutes to wait for the training to begin.")] = 60,
) -> None:
    """Train together with the first node (train.nodes), from the home that they share; ends with the training."""
    from flows.bases import local
    from flows.recipe import load
    from storage.home import Home
    from tasks.train import step as train

    home = Home.beside(recipe)
    chosen = local(load(recipe, changes), home.root)
    spec = chosen.training
    if not 0 < node < spec.nodes:
        raise UsageError(
            f"node {node} cannot join",
            expected=f"1 to {spec.nodes - 1}, as [train] nodes = {spec.nodes} says"
            if spec.nodes > 1
            else "train.nodes",
            hint="node 0 is the one with `ponens run`",
        )
    until = time.monotonic() + 60 * wait

    def patience() -> None:
        if time.monotonic() > until:
            raise PonensError(
                f"the training did not begin within {wait:g} minutes",
                seen=home.root,
                hint="start `ponens run` with the same recipe and home on the first node",
            )
        time.sleep(_LOOK_S)

    stderr.print(f"node {node} of {spec.nodes} waits for the training in {home.root}", soft_wrap=True)
    while (key := _training(chosen, home)) is None:
        patience()
    joined = bool(key) and train.join(spec, home, key, node, patience)
    stderr.print("the training has ended" if joined else "it is trained already")


def _training(recipe: Recipe, home: Home) -> str | None:
    """The key of the training's step, empty if it is done; None while a step before it is not."""
    from flows.chain import Walk, chain
    from tasks.runtime.forecast import forecast, stand_in

    walk = Walk(chain(recipe, home.root))
    for step in walk:
        ahead = forecast(step, home)
        if step.name == "train":
            return "" if ahead.status == "cached" else step.key
        if ahead.status == "will_run":
            return None
        walk.done(stand_in(ahead))
    raise AssertionError("a recipe with [train] has a step train")
