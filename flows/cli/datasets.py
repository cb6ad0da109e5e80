"""`ponens datasets …`: the snapshots of a home, for people and, with --json, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.cli.homes import RecipeOption
from flows.show import stderr, stdout
from storage.home import Home

app = typer.Typer(help="List, show, compare, query and push dataset snapshots.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="SNAP", help="The beginning of an id, RECIPE@latest, or a URL.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
MARKS = {"came": "[green]+[/]", "went": "[red]−[/]", "changed": "[yellow]~[/]", "moved": "[cyan]→[/]"}
_EXCERPT = 72
Query = Annotated[
    str, typer.Argument(metavar="QUERY", help='Such as "select * from drops limit 3".', show_default=False)
]


@app.command("list")
def list_(recipe: RecipeOption = None, json: Json = False) -> None:
    """List the snapshots of a home, newest first."""
    from storage.tables.snapshot_catalog import listing

    home = Home.beside(recipe)
    found = [snapshot.dict() for snapshot in listing(home)]
    if json:
        show.emit({"home": str(home.root), "snapshots": found})
    elif found:
        table = Table("snapshot", "recipes", "train", "valid", "parent", "made at (UTC)", box=None)
        for one in found:
            parents = sorted({parent for parent in one["parents"].values() if parent})
            rows = (f"{one['rows'][split]:,}" for split in ("train", "valid"))
            table.add_row(
                one["snapshot"], ", ".join(one["recipes"]), *rows, "\n".join(parents) or "–", one["made_at"][:16]
            )
        tables.put(stdout, table)
    else:
        stderr.print(f"no snapshot in {home.root}; `ponens assemble RECIPE` makes one", soft_wrap=True)


@app.command("show")
def show_(snapshot: Name, recipe: RecipeOption = None, json: Json = False) -> None:
    """Show what a snapshot holds, what fell out, and where it stands in its recipes' lineage."""
    from storage.tables.snapshot_catalog import find

    one = find(Home.beside(recipe), snapshot)
    facts = {name: value for name, value in one.facts.items() if name not in ("snapshot", "rows")}
    if json:
        lineage = [{"recipe": e.recipe, "parent": e.parent, "at": e.at} for e in one.lineage]
        show.emit({**one.dict(), "digest": one.manifest["digest"], "lineage": lineage, "facts": facts})
        return
    told: list[tuple[str, object]] = [("snapshot", one.id), ("rows", _counts(one.facts["rows"]))]
    told.append(("made at", one.manifest["made_at"]))
    for entry in one.lineage:
        parent = f"after {entry.parent}" if entry.parent else "its first"
        told.append(("recipe", f"{entry.recipe}, {entry.at}: {parent}"))
    told += [(name, _counts(v) if isinstance(v, Mapping) else v) for name, v in facts.items() if v not in ({}, None)]
    tables.facts(stdout, [*told, ("files", one.path)])


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="The earlier: an id's beginning, or RECIPE@latest.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The later.")],
    limit: Annotated[int, typer.Option(min=0, help="Show at most so many rows.")] = 20,
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Say which rows came, went, changed their text or moved to another split from A to B."""
    from storage.tables import snapshot_catalog

    home = Home.beside(recipe)
    found = snapshot_catalog.diff(snapshot_catalog.find(home, a), snapshot_catalog.find(home, b), limit)
    if json:
        show.emit(found)
        return
    stdout.print(f"{found['a']} → {found['b']}: " + _counts({k: found[k] for k in ("same", *snapshot_catalog.KINDS)}))
    for row in found["rows"]:
        stdout.print(f"{MARKS[row['what']]} {row['question']} {row['split']:<5} {_told(row)}", soft_wrap=True)
    if (left := sum(found[kind] for kind in snapshot_catalog.KINDS) - len(found["rows"])) > 0:
        stdout.print(f"  … and {left:,} more; --limit shows them")


@app.command()
def sql(snapshot: Name, query: Query, recipe: RecipeOption = None, json: Json = False) -> None:
    """Ask a snapshot's tables: examples, train, valid, drops."""
    from storage.tables import snapshot_catalog

    rows = snapshot_catalog.query(snapshot_catalog.find(Home.beside(recipe), snapshot), query)
    if json:
        show.emit({"rows": rows})
    else:
        show.rows(rows)


@app.command()
def push(
    snapshot: Name,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Such as s3://bucket/snapshots/ID or hf://datasets/me/name.")
    ],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Copy a snapshot to a URL; every command here takes that URL as SNAP."""
    from storage import remote
    from storage.tables import snapshot_catalog

    one = snapshot_catalog.find(Home.beside(recipe), snapshot)
    pushed = remote.push(one.path, url)
    if json:
        show.emit({"snapshot": one.id, "url": url, "pushed": pushed})
    else:
        stdout.print(f"{one.id} {'is at' if pushed else 'was already at'} {escape(url)}", soft_wrap=True)


def _told(row: Mapping[str, Any]) -> str:
    """One row of a diff in a line: what it says, or from where what differs goes another way."""
    before, after = row["before"], row["after"]
    if row["what"] == "moved":
        return f"from {before['split']}"
    if row["what"] != "changed":
        return escape(_excerpt(_text((after or before)["completion"])))
    part = "completion" if before["prompt"] == after["prompt"] else "prompt"
    old, new = _text(before[part]), _text(after[part])
    at = next((i for i, (x, y) in enumerate(zip(old, new, strict=False)) if x != y), min(len(old), len(new)))
    start = max(0, at - 12)
    return f"{part}: [red]{escape(_excerpt(old[start:]))}[/] → [green]{escape(_excerpt(new[start:]))}[/]"


def _text(messages: Iterable[Mapping[str, str]]) -> str:
    return "\n".join(message["content"] for message in messages)


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _EXCERPT else f"{flat[: _EXCERPT - 1]}…"


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {count:,}" if isinstance(count, int) else f"{name} {count}" for name, count in counts.items()
    )
