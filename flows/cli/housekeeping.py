"""`ponens gc | backup | restore`: a home is kept small, and kept."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from flows import show, tables
from flows.cli.homes import RecipeOption
from flows.show import stderr, stdout
from storage.home import Home

if TYPE_CHECKING:
    from storage.housekeeping.garbage import Leftover

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
_SHOWN = 40  # leftovers, on a screen


def gc(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Leave what was made or used since: 14d, 12h, 30m, 0s.")
    ] = "14d",
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Show what nothing in a home refers to any more, and remove it."""
    from storage.housekeeping import garbage

    home, age = Home.beside(recipe), garbage.seconds(older_than)
    found = garbage.survey(home, age)
    if not json:
        _leftovers(home, found, older_than)
        if found and not yes and sys.stdin.isatty():
            yes = typer.confirm(f"Remove these {len(found)} for good ({decimal(sum(f.bytes for f in found))})?")
    gone = garbage.remove(home, found, age) if yes and found else []
    freed = sum(one.bytes for one in gone)
    if json:
        removed = [one.path for one in gone]
        show.emit({"home": str(home.root), "found": [f.dict() for f in found], "removed": removed, "bytes": freed})
    elif gone:
        left = f"; {len(found) - len(gone)} are in use by now" if len(gone) < len(found) else ""
        stdout.print(f"removed {len(gone)}, {decimal(freed)}{left}")
    elif found:
        stderr.print("nothing was removed; `ponens gc --yes` removes them without asking", soft_wrap=True)


def backup(
    place: Annotated[
        str, typer.Argument(metavar="FILE", help="HOME.tar.zst, a folder, or a URL of either.", show_default=False)
    ],
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Write a home as one archive, also while runs go on."""
    from storage.housekeeping.backup import backup as write

    _said(write(Home.beside(recipe), place), json=json)


def restore(
    place: Annotated[
        str, typer.Argument(metavar="FILE", help="What `ponens backup` wrote, or its URL.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Make a home of an archive, in a folder that is new or empty."""
    from storage.housekeeping.backup import restore as read

    _said(read(place, Home.beside()), json=json)


def _leftovers(home: Home, found: Sequence[Leftover], older_than: str) -> None:
    if not found:
        stderr.print(f"nothing in {home.root} is left over and older than {older_than}", soft_wrap=True)
        return
    table = Table("what", "size", "why", box=None, pad_edge=False)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True  # a path that is cut names nothing
    table.columns[1].justify = "right"
    for one in found[:_SHOWN]:
        table.add_row(escape(one.path), decimal(one.bytes), escape(one.why))
    if len(found) > _SHOWN:
        table.add_row(
            f"… {len(found) - _SHOWN} more", decimal(sum(f.bytes for f in found[_SHOWN:])), "--json lists all"
        )
    tables.put(stdout, table)


def _said(found: Mapping[str, Any], *, json: bool) -> None:
    if json:
        show.emit(found)
    else:
        show.facts({**found, "files": f"{found['files']:,}", "bytes": decimal(found["bytes"])})
