"""`ponens explain WHAT`: where an adapter or a snapshot came from, and what else came of its source files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from flows import show
from flows.cli.homes import RecipeOption
from flows.show import stdout
from storage.home import Home
from storage.records import UsageError

Found = dict[str, Any]
_APART = ("what", "name", "from", "missing", "at", "made_at", "alias", "evidence")  # said elsewhere, or --json's
_LONG = 16  # digits of a digest, for people
_DIGESTS = ("digest", "identity", "sha256", "fingerprint")


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="An adapter, a snapshot (an id's beginning, RECIPE@latest), or a source file or folder.",
            show_default=False,
        ),
    ],
    recipe: RecipeOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Say where it came from, and what else came of the same source."""
    found = gather(Home.beside(recipe), what)
    if json:
        show.emit(found)
        return
    tree = Tree(f"[bold]{escape(what)}[/]", guide_style="dim")
    if "origin" in found:
        _grow(tree, found["origin"])
    for part in ("evaluations", "promotions"):
        _branch(tree, part, found.get(part, []))
    came = tree.add("what else came of the same source" if "origin" in found else "what came of it")
    for part, nodes in found["came_of_it"].items():
        _branch(came, part, nodes)
    if not came.children:
        came.add("[dim]nothing that this home knows of[/]")
    stdout.print(tree)


def gather(home: Home, what: str) -> Found:
    """What `ponens explain --json` prints. UsageError if this is no adapter, snapshot or file."""
    from storage.adapters import versions as adapters
    from storage.adapters.provenance import Provenance
    from storage.sources import source
    from storage.tables import snapshot_catalog

    known = Provenance(home)
    if _is_adapter(home, what):
        one = adapters.resolve(home, what)
        origin = known.adapter(one)
        own = {"evaluations": known.evaluations([str(one)]), "promotions": known.promotions([str(one)])}
        came = known.forward(known.parsings_of(origin))
        return {"what": "adapter", "name": str(one), "origin": origin, **own, "came_of_it": _else(came, origin, own)}
    if Path(what).exists():
        parsings = known.parsings(source.hashed(source.files([Path(os.path.expanduser(what))])))
        return {"what": "source", "name": what, "came_of_it": known.forward(parsings)}
    try:
        snapshot = snapshot_catalog.find(home, what)
    except UsageError as error:
        raise UsageError(
            f"{what!r} is nothing that {home.root} knows",
            seen=error.thing,
            expected="an adapter such as logic/3, the beginning of a snapshot's id, RECIPE@latest, or a source file",
            hint=f"did you mean {what}/{adapters.versions(home, what)[-1]}?"
            if what in adapters.names(home)
            else "`ponens adapters list`, `ponens datasets list`",
        ) from None
    origin = known.snapshot(str(snapshot.manifest["digest"]))
    came = known.forward(known.parsings_of(origin))
    return {"what": "snapshot", "name": snapshot.id, "origin": origin, "came_of_it": _else(came, origin, {})}


def _is_adapter(home: Home, what: str) -> bool:
    from storage.adapters import versions as adapters

    name = what.replace("@", "/").partition("/")[0]
    return "/" in what.replace("@", "/") and name in adapters.names(home)


def _else(came: Found, origin: Found, own: Found) -> Found:
    """What came of a source, without what stands on the way back to it and what is told of its own."""
    from storage.adapters.provenance import walk

    back = {(node["what"], node["name"]) for node in walk(origin)}
    return {
        part: [node for node in nodes if (node["what"], node["name"]) not in back and node not in own.get(part, [])]
        for part, nodes in came.items()
    }


def _branch(tree: Tree, title: str, nodes: Sequence[Mapping[str, Any]]) -> None:
    if nodes:
        branch = tree.add(f"{title} [dim]{len(nodes)}[/]")
        for node in nodes:
            _grow(branch, node)


def _grow(tree: Tree, node: Mapping[str, Any]) -> None:
    """A node with its facts below it, and then what it was made from."""
    at = node.get("made_at") or node.get("at") or ""
    branch = tree.add(f"{node['what']} [bold]{escape(str(node['name']))}[/] [dim]{escape(str(at))}[/]".rstrip())
    if "missing" in node:
        branch.add(f"[yellow]not known:[/] {escape(node['missing'])}")
    for name, value in node.items():
        if name not in _APART and value not in (None, "", [], {}):
            branch.add(f"[dim]{name.replace('_', ' ')}[/] {escape(_told(name, value))}")
    for before in node.get("from", []):
        _grow(branch, before)


def _told(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(key, part)}" for key, part in value.items() if part is not None)
    if isinstance(value, list):
        return "; ".join(_told(name, part) for part in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:_LONG] if name in _DIGESTS else str(value)
