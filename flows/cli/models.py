"""`ponens models …`: base models that were imported into a home, for people and, with --json, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.cli.homes import RecipeOption
from flows.show import stderr, stdout
from storage.home import Home

app = typer.Typer(help="Import base models from GGUF files, list and show them.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A GGUF file, whole and of a language model.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What recipes then call it: base_model = NAME.")],
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The model's own tokenizer.json, if the file's is not enough.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="float32 keeps every bit; bfloat16 takes half the room.")
    ] = "float32",
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Make a base model of a GGUF file: dequantised safetensors, configuration, tokenizer and template."""
    from storage import base_models
    from tasks.adapters.import_model import import_model

    home = Home.beside(recipe)
    place = import_model(
        file, home, name=name, tokenizer=tokenizer, dtype=dtype, report=lambda line: stderr.print(f"[dim]{line}[/]")
    )
    about = base_models.about(home, name)
    if json:
        show.emit({**about, "path": str(place)})
    else:
        stdout.print(f"{escape(file.name)} is now {name}: {summary(about)}", soft_wrap=True)
        stdout.print(f'use it with [bold]base_model = "{name}"[/]', soft_wrap=True)


@app.command("list")
def list_(recipe: RecipeOption = None, json: Json = False) -> None:
    """List the imported models of a home."""
    from storage import base_models

    home = Home.beside(recipe)
    models = [base_models.about(home, name) for name in base_models.names(home)]
    if json:
        show.emit({"home": str(home.root), "models": models})
    elif models:
        table = Table("model", "architecture", "parameters", "quantisation", "file", box=None)
        for model in models:
            size = f"{model['parameters'] / 1e6:,.0f} M"
            table.add_row(
                model["name"], model["architecture"], size, quantisation(model), escape(model["file"])
            )  # fmt: skip
        tables.put(stdout, table)
    else:
        stderr.print(f"no model in {home.root}; `ponens models import FILE --name NAME` makes one", soft_wrap=True)


@app.command("show")
def show_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Show where an imported model came from and how it was made."""
    from storage import base_models

    home = Home.beside(recipe)
    about = base_models.about(home, name)
    place = base_models.folder(home, name)
    if json:
        show.emit({**about, "path": str(place)})
        return
    told = {key: value for key, value in about.items() if key != "quantization" and value is not None}
    show.facts({**told, "quantisation": quantisation(about), "stops": ", ".join(about["stops"]), "path": place})


def summary(about: Mapping[str, Any]) -> str:
    """Architecture, size and quantisation in one line."""
    return f"{about['architecture']}, {about['parameters'] / 1e6:,.0f} M parameters, {quantisation(about)}"


def quantisation(about: Mapping[str, Any]) -> str:
    """How the file stored its tensors: "Q4_1 (210), F32 (61)"."""
    return ", ".join(f"{kind} ({count})" for kind, count in about["quantization"].items())
