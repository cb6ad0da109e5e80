"""`ponens deploy`: a Prefect server made ready in one command."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from flows import show
from flows.show import stderr, stdout


def deploy(
    serve: Annotated[bool, typer.Option("--serve", help="Serve the flow from this process, without a worker.")] = False,
    on_champion: Annotated[
        str | None, typer.Option(metavar="FLOW/DEPLOYMENT", help="Have this run whenever a champion changes.")
    ] = None,
    on_alarm: Annotated[
        str | None, typer.Option(metavar="FLOW/DEPLOYMENT", help="Have this run whenever a champion fell.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Create pool, deployments, schedules and automations on the Prefect server; safe to repeat."""
    from flows import automations, deployments

    if serve:
        from flows.finetune import finetune_logic

        demo = deployments.recipe(str(deployments.ROOT / "recipes" / "demo.toml"))
        finetune_logic.serve(name="served", parameters={"recipe": demo["recipe"]})
        return
    made = deployments.set_up(lambda name: stderr.print(f"deployed     {escape(name)}", soft_wrap=True))
    watching = made.automations
    watching += [automations.on_champion(on_champion)] if on_champion else []
    watching += [automations.on_alarm(on_alarm)] if on_alarm else []
    if json:
        show.emit({"pool": deployments.POOL, **made._asdict(), "automations": watching})
        return
    stdout.print(f"pool:        {deployments.POOL}")
    for name in made.deployments:
        cron = made.schedules.get(name)
        stdout.print(f"deployment:  {escape(name)}{f'  {escape(cron)}' if cron else ''}", soft_wrap=True)
    for name in watching:
        stdout.print(f"automation:  {escape(name)}", soft_wrap=True)
    stdout.print(f"next:        prefect worker start --pool {deployments.POOL}")
