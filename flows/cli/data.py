"""ponens export, ponens puzzles: data written for other tools, and data made from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import commands
from flows.cli.homes import RecipeOption

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Columns = Annotated[
    list[str], typer.Option(metavar="NAME=COLUMN", help="Your column for a format's, such as prompt=ask.text.")
]


def export(
    given: Annotated[
        str, typer.Argument(metavar="SNAPSHOT", help="A snapshot's id or folder, or a file.", show_default=False)
    ],
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORM",
            help="messages, sharegpt, alpaca, prompt-completion, parquet or datasets.",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The folder to make; SNAPSHOT-FORM here by default.")] = None,
    recipe: RecipeOption = None,
    column: Columns = [],
    json: Json = False,
) -> None:
    """Write a snapshot, or a file of dialogues, for other tools."""
    commands.export(given, form, out, recipe, column, json=json)


def puzzles(
    out: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Number of problems.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed gives other problems.")] = 1,
    family: Annotated[list[str], typer.Option(help="A puzzle family; all by default.")] = [],
    json: Json = False,
) -> None:
    """Write generated logic puzzles in competition format."""
    commands.puzzles(out, count, seed, family, json=json)
