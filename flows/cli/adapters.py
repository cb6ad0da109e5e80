"""`ponens adapters …`: the registry of a home, for people and, with --json, for programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.cli import mlflow_ui
from flows.cli.champion import webhook_of
from flows.cli.homes import RecipeOption, elsewhere
from flows.show import stderr, stdout
from storage.home import Home
from storage.records import UsageError

app = typer.Typer(help="List, show, compare, name, export, push, import and remove adapters.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="ADAPTER", help="NAME/N, NAME@latest or NAME@ALIAS.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Because = Annotated[str, typer.Option(help="Why; it stands in the history.")]
Base = Annotated[str | None, typer.Option(metavar="MODEL", help="The base model, by folder or hub name.")]


@app.command("list")
def list_(recipe: RecipeOption = None, json: Json = False) -> None:
    """List all adapters of a home, each name's newest first."""
    from storage.adapters.registry import listing

    home = Home.beside(recipe)
    found = listing(home)
    if json:
        show.emit({"home": str(home.root), "adapters": found})
    elif found:
        table = Table("adapter", "aliases", "base model", "rank", "valid loss", "accuracy", "verdict", box=None)
        for one in found:
            judged = one["evaluation"] or {}
            table.add_row(
                one["adapter"],
                ", ".join(one["aliases"]),
                escape(str(one["base_model"])),
                str(one["rank"] or "–"),
                _number(one["valid_loss"]),
                _number((judged.get("adapter") or {}).get("accuracy")),
                str((judged.get("paired") or {}).get("verdict", "–")),
            )
        tables.put(stdout, table)
    else:
        stderr.print(
            f"no adapter in {home.root}; `ponens train RECIPE` makes one, {elsewhere(home, 'adapters')}", soft_wrap=True
        )


@app.command("show")
def show_(adapter: Reference, recipe: RecipeOption = None, json: Json = False) -> None:
    """Show what an adapter is made of, how it was judged, and where its aliases have been."""
    from storage.adapters import aliases, registry
    from storage.adapters import versions as adapters

    home = Home.beside(recipe)
    one = adapters.resolve(home, adapter)
    line = registry.summary(home, one, registry.evaluations(home))
    about = adapters.about(one)
    moves = [asdict(move) for move in aliases.moves(home, one.name) if one.number in (move.before, move.after)]
    if json:
        show.emit({**line, "about": about, "moves": moves, "referred_to_by": registry.mentions(home, one)})
        return
    judged = line.pop("evaluation") or {}
    told = [(name.replace("_", " "), _said(value)) for name, value in line.items() if value not in (None, [])]
    if judged:
        paired = judged.get("paired") or {}
        told.append(("evaluation", f"{paired.get('verdict')}: {paired.get('reason', '')}"))
    told += [(f"  {name}", _said(v)) for name, v in about.get("settings", {}).items() if v is not None]
    for move in moves:
        where = f"{move['before'] or 'new'} → {move['after'] or 'gone'}"
        told.append((f"@{move['alias']}", f"{move['at']}  {where}  {move['because']}"))
    tables.facts(stdout, told)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="The earlier: NAME/N or NAME@ALIAS.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The later.")],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Say in which settings, data, libraries and metrics two adapters differ."""
    from storage.adapters import registry
    from storage.adapters import versions as adapters

    home = Home.beside(recipe)
    found = registry.diff(home, adapters.resolve(home, a), adapters.resolve(home, b))
    if json:
        show.emit(found)
        return
    stdout.print(f"{found['a']} → {found['b']}: " + ("the same weights" if found["same_weights"] else "other weights"))
    for part in ("settings", "data", "libraries", "metrics"):
        for name, (before, after) in found[part].items():
            stdout.print(
                f"[dim]{part:<9}[/] {name}: [red]{escape(_said(before))}[/] → [green]{escape(_said(after))}[/]",
                soft_wrap=True,
            )


@app.command()
def alias(
    adapter: Reference,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as stable; not champion.")],
    because: Because = "",
    drop: Annotated[bool, typer.Option("--drop", help="Take the alias away from this version.")] = False,
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Point an alias at an adapter; every move is kept with its time and reason."""
    from storage.adapters import aliases, registry
    from storage.adapters import versions as adapters

    if alias == aliases.CHAMPION:
        raise UsageError(
            "the champion is not named by hand",
            seen=f"{adapter} {alias}",
            hint=f'ponens promote {adapter}, if need be with --force --because "…"; ponens rollback NAME goes back',
        )
    home = Home.beside(recipe)
    one = adapters.resolve(home, adapter)
    move = registry.drop_alias(home, one, alias, because) if drop else registry.set_alias(home, one, alias, because)
    if move:
        mlflow_ui.follow(home, one.name)
    if json:
        show.emit({"adapter": str(one), "alias": alias, "moved": move is not None, "move": move and asdict(move)})
    elif move is None:
        stdout.print(f"{one.name}@{alias} is {one} already")
    else:
        stdout.print(f"{one.name}@{alias}: {move.before or 'new'} → {move.after or 'gone'}")


@app.command()
def history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The adapter, without a version.")],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Tell who moved which alias when, from where to where, by what numbers and why; oldest first."""
    from storage.adapters import aliases, champions
    from storage.adapters import versions as adapters

    home = Home.beside(recipe)
    moves = [asdict(move) for move in aliases.moves(home, adapters.check_name(name))]
    if json:
        champion = champions.champion(home, name)
        show.emit({"name": name, "champion": champion and str(champion), "moves": moves})
    elif moves:
        for move in moves:
            where = f"{move['before'] or 'new'} → {move['after'] or 'gone'}"
            stdout.print(f"{move['at']}  @{move['alias']}  [bold]{where}[/]  {move['how']}, {escape(move['by'])}")
            for line in _evidence(move):
                stdout.print(f"  [dim]{escape(line)}[/]", soft_wrap=True)
    else:
        stderr.print(f"no alias of {name!r} was ever moved in {home.root}", soft_wrap=True)


@app.command()
def export(
    adapter: Reference,
    out: Annotated[Path | None, typer.Option(help="The folder to make; NAME-N here by default.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Write a whole model: base and adapter in one.")] = False,
    gguf: Annotated[
        bool, typer.Option("--gguf", help="Write the whole model as GGUF, with a Modelfile: llama.cpp, Ollama.")
    ] = False,
    lora: Annotated[bool, typer.Option("--lora", help="With --gguf: the LoRA alone, for llama.cpp's --lora.")] = False,
    quantize: Annotated[
        Literal["f32", "f16", "bf16", "q8_0"], typer.Option(help="With --gguf: how the weights are stored.")
    ] = "q8_0",
    base: Base = None,
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Write an adapter as a PEFT folder for peft, vLLM and LoRAX, merged into its base, or as GGUF."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # read where tqdm is imported: this command has no use for its bars
    from storage.adapters import versions as adapters
    from tasks.adapters import model_card
    from tasks.adapters.export_adapter import Form, export_adapter

    home = Home.beside(recipe)
    one = adapters.resolve(home, adapter)
    model_card.write(home, one)
    form: Form = ("gguf-lora" if lora else "gguf") if gguf else "merged" if merge else "peft"
    if (merge and gguf) or (lora and not gguf):
        raise UsageError("these do not go together", seen="--merge --gguf" if merge else "--lora without --gguf")
    place = out or Path(f"{one.name}-{one.number}")
    made = export_adapter(one, place, form=form, quantization=quantize, base_model=base)
    if json:
        show.emit(made)
    else:
        stdout.print(f"{one} as {made['as']} in {escape(made['out'])}, {made['bytes']:,} bytes", soft_wrap=True)
        if agreement := made.get("agreement"):
            stdout.print(
                f"the first token of {agreement['same_first']} of {agreement['prompts']} prompts is the merged one's; "
                f"log-probabilities are at most {agreement['apart']:.3g} apart",
                soft_wrap=True,
            )


@app.command()
def push(
    adapter: Reference,
    url: Annotated[str, typer.Argument(metavar="URL", help="Such as hf://me/logic-lora or s3://bucket/logic/3.")],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Copy an adapter, with its card, to a URL; the manifest goes last."""
    from storage import remote
    from storage.adapters import versions as adapters
    from tasks.adapters import model_card

    home = Home.beside(recipe)
    one = adapters.resolve(home, adapter)
    pushed = remote.push(one.folder, url, notes=[model_card.write(home, one).name])
    if json:
        show.emit({"adapter": str(one), "url": remote.public(url), "pushed": pushed})
    else:
        stdout.print(f"{one} {'is at' if pushed else 'was already at'} {escape(remote.public(url))}", soft_wrap=True)


@app.command("import")
def import_(
    place: Annotated[str, typer.Argument(metavar="FOLDER|URL", help="A PEFT folder with safetensors weights.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The adapter it becomes the next version of.")],
    base: Base = None,
    revision: Annotated[str | None, typer.Option(help="The base model's commit or tag.")] = None,
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Take a PEFT folder in, after its files, sizes, ranks and base model were checked."""
    from tasks.adapters import model_card
    from tasks.adapters.import_adapter import import_adapter

    home = Home.beside(recipe)
    made = import_adapter(place, name, home, base_model=base, revision=revision)
    model_card.write(home, made)
    if json:
        show.emit({"adapter": str(made), "path": str(made.folder)})
    else:
        stdout.print(f"{escape(place)} is now {made}", soft_wrap=True)


@app.command()
def rm(
    adapter: Reference,
    force: Annotated[bool, typer.Option("--force", help="Even if an alias or a report refers to it.")] = False,
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Remove an adapter for good; its number is never given again."""
    from storage.adapters import champions, registry
    from storage.adapters import versions as adapters

    home = Home.beside(recipe)
    one = adapters.resolve(home, adapter)
    champion = champions.champion(home, one.name) == one
    url = webhook_of(home, one, recipe) if champion and force else None
    found = registry.remove(home, one, force=force)
    if champion:
        from flows.notify import announce

        for warning in announce(champions.moves(home, one.name)[-1], url):
            stderr.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)
    mlflow_ui.follow(home, one.name)
    if json:
        show.emit({"removed": str(one), "referred_to_by": found})
    else:
        stdout.print(f"{one} is removed" + (f"; {', '.join(found)} referred to it" if found else ""), soft_wrap=True)


def _evidence(move: Mapping[str, Any]) -> Iterator[str]:
    """Why an alias moved: what the gate saw, and what was said."""
    if seen := move["evidence"]:
        low, high = (f"{100 * end:+.1f}" for end in seen["paired"]["ci95"])
        yield f"{seen['paired']['verdict']}: {seen['paired']['reason']}"
        points = f"{100 * seen['paired']['difference']:+.1f} points, 95 % {low} to {high}"
        yield f"{points}, on {seen['questions']} questions"
        yield "evaluations: " + ", ".join(f"{name} in {place}" for name, place in seen["evaluations"].items())
    if move["because"]:
        yield f"because: {move['because']}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
