"""The command line `ponens`: parses, calls, prints. What a command does lives in `flows.cli.commands`.

Exit codes: 0 done, 1 the work failed, 2 bad usage, recipe or input, 3 refused by a gate, 130 interrupted. With --json
exactly one object goes to stdout; everything else goes to stderr.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import flows.offline  # noqa: F401  sets switches that Prefect reads when a command imports it
from flows.cli import (
    adapters,
    champion,
    commands,
    data,
    datasets,
    deploy,
    dev,
    explain,
    extras,
    groups,
    housekeeping,
    init,
    join,
    locale_encoding,
    models,
    runs,
    suspects,
    sweep,
    tune,
    verdict,
    view,
)
from flows.cli import compare as results
from flows.cli import evaluate as evaluating
from flows.cli import reeval as trend
from flows.cli import serve as serving
from flows.cli.evaluate import Adapters, Models
from flows.cli.homes import RecipeOption
from flows.show import stderr
from storage.records import PonensError

app = typer.Typer(
    help="From a file of questions to an adapter with a proven gain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    cls=groups.InOrder,
)
_SERVERS = ("dev", "mlflow", "serve", "chat", "view")  # what ends by Ctrl-C and has nothing to go on from
INTERRUPTED = 128 + signal.SIGINT
state = {"debug": False}

app.add_typer(adapters.app, name="adapters")
app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
app.add_typer(runs.app, name="runs")
COMMANDS: tuple[Callable[..., None], ...] = (
    *(init.init, data.export, data.puzzles),
    *(verdict.verdict, sweep.sweep, join.join, champion.promote, champion.rollback, trend.reeval, explain.explain),
    *(tune.tune, results.diff, results.results),
    *(serving.serve, serving.ask, serving.chat),
    *(view.view, deploy.deploy, dev.dev, housekeeping.gc, housekeeping.backup, housekeeping.restore),
)
app.command("suspects")(suspects.suspects_of)
for command in COMMANDS:
    app.command()(command)
STEPS = "puzzles, parse, reason, assemble, train, sample, prefer, tune, grpo, evaluate, report"
RecipePath = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/demo.toml.", show_default=False)
]
Change = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe.")]
Refresh = Annotated[
    list[str],
    typer.Option(
        "--refresh",
        metavar="STEP",
        help=f"Do this step again though it is done: {STEPS}. Replies that the home holds are not asked for again.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Strict = Annotated[bool, typer.Option("--strict", help="A rejected row is an error.")]
Columns = Annotated[
    list[str], typer.Option(metavar="NAME=COLUMN", help="Your column for a format's, such as prompt=ask.text.")
]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=groups.version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Options before the command."""
    state["debug"] = debug


@app.command()
def run(
    recipe: RecipePath,
    changes: Change = [],
    refresh: Refresh = [],
    until: Annotated[
        str | None,
        typer.Option(metavar="STEP", help=f"Stop after this step: {STEPS}."),
    ] = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Run a recipe: parse, reason, assemble, train, evaluate, report; promote where it asks for it."""
    commands.run(recipe, changes, refresh, until, strict=strict, json=json)


@app.command()
def plan(
    recipe: RecipePath,
    changes: Change = [],
    refresh: Refresh = [],
    adapter: Adapters = [],
    model: Models = [],
    json: Json = False,
) -> None:
    """Say which steps would run and why, and what would go wrong; exit code 2 if a step would surely fail.

    With --adapter or --model: the steps of `ponens evaluate` with the same.
    """
    if not commands.plan(recipe, changes, refresh, [*adapter, *model], json=json):
        raise typer.Exit(2)


@app.command()
def parse(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A file, a folder, or hf://ORG/NAME.", show_default=False)
    ],
    format: Annotated[str | None, typer.Option(help="The files' format; each is looked at by default.")] = None,
    column: Columns = [],
    first: Annotated[
        int | None, typer.Option(min=0, max=1, help="What keys that are numbers count from, where no key says it.")
    ] = None,
    suggest: Annotated[bool, typer.Option("--suggest", help="Print a mapping for an unknown file.")] = False,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Read a file of any format; say what is in it and what is wrong with it."""
    if suggest:
        return commands.suggest(path, first, json=json)
    commands.parse(path, format, column, first, strict=strict, json=json)


@app.command()
def reason(
    recipe: RecipePath,
    changes: Change = [],
    refresh: Refresh = [],
    estimate: Annotated[bool, typer.Option("--estimate", help="Say requests, tokens and price; send nothing.")] = False,
    json: Json = False,
) -> None:
    """Ask the teacher for rationales; what the ledger holds is not asked again."""
    commands.reason(recipe, changes, refresh, estimate=estimate, json=json)


@app.command()
def assemble(recipe: RecipePath, changes: Change = [], refresh: Refresh = [], json: Json = False) -> None:
    """Build the dataset snapshot."""
    commands.step("assemble", recipe, changes, refresh, json=json)


@app.command()
def train(
    recipe: RecipePath,
    changes: Change = [],
    refresh: Refresh = [],
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say memory, steps, tokens and time; load no model.")
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Show the tokens of N rows, those learnt coloured; train none."),
    ] = None,
    json: Json = False,
) -> None:
    """Train the adapter."""
    if preview:
        commands.preview(recipe, changes, refresh, preview, json=json)
    else:
        commands.train(recipe, changes, refresh, estimate=estimate, json=json)


@app.command()
def evaluate(
    recipe: RecipePath,
    changes: Change = [],
    refresh: Refresh = [],
    adapter: Adapters = [],
    model: Models = [],
    votes: Annotated[int | None, typer.Option(min=1, help="Samples a question.")] = None,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Say what models behind an API would be asked, and the price; send nothing."),
    ] = False,
    json: Json = False,
) -> None:
    """Evaluate base and adapter by majority vote, or any models against the recipe's base."""
    evaluating.evaluate(recipe, changes, refresh, [*adapter, *model], votes, estimate=estimate, json=json)


@app.command()
def report(recipe: RecipePath, changes: Change = [], refresh: Refresh = [], json: Json = False) -> None:
    """Write the report."""
    commands.step("report", recipe, changes, refresh, json=json)


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help='Such as "select * from questions limit 3".', show_default=False)
    ],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Ask the warehouse, also while a run writes to it."""
    commands.sql(query, recipe, json=json)


@app.command()
def mlflow(
    recipe: RecipeOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port on 127.0.0.1.")] = 5000,
) -> None:
    """Open MLflow's page over the trainings of a home; Ctrl-C ends it."""
    from flows.cli import mlflow_ui

    mlflow_ui.mlflow(recipe, port)


@app.command()
def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read every artifact, byte for byte.")] = False,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe: parse its source, look at all that its run needs, ask nothing.")
    ] = None,
    changes: Change = [],
    json: Json = False,
) -> None:
    """Say what this machine, a home and a recipe's run can do; exit code 0 if all is well, 2 if a step would fail."""
    if code := commands.doctor(recipe, changes, deep=deep, json=json):
        raise typer.Exit(code)


groups.arrange(app)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: turns what went wrong into a message and an exit code."""
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    try:
        if arguments is None:
            locale_encoding.settle()
        app(arguments)
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
        if code == INTERRUPTED:  # what typer makes of Ctrl-C
            command = next(iter(arguments or sys.argv[1:]), "")
            stderr.print("stopped" if command in _SERVERS else "interrupted; the same command goes on from here")
        return code
    except Exception as error:
        if state["debug"]:
            raise
        if known := error if isinstance(error, PonensError) else extras.lacking(error):
            stderr.print(f"[red]error:[/] {escape(str(known))}", soft_wrap=True)
            return known.exit_code
        kind = type(error).__name__
        stderr.print(
            f"[red]error:[/] {escape(f'{kind}: {error}')}\n  next:     run it with `ponens --debug …`", soft_wrap=True
        )
        return 1
    return 0


if __name__ == "__main__":
    main()
