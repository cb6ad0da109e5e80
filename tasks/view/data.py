"""What was read, kept and thrown away: parsed sources, snapshots with their differences, tables to page through."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from storage.artifacts import MANIFEST
from storage.browse import tables
from storage.browse.diffs import Kinds, Sides
from storage.browse.tables import Wanted
from storage.records import Receipt
from storage.tables import lineage
from storage.tables.doubted_keys import SUSPECTS
from storage.tables.lineage import Entry
from storage.tables.parsed import DROPS, REJECTS
from storage.tables.snapshots import EXAMPLES
from tasks.view import suspects
from tasks.view.site import Site, ask, number

Row = dict[str, Any]
# by the name of a table: the step whose artifact has it, its file, the column by which it is parted, what it holds
TABLES: Mapping[str, tuple[str, str, str, str]] = {
    "rejects": ("parse", REJECTS, "field", "Rows that could not be read, and why."),
    "drops": ("parse", DROPS, "reason", "Records that were read and left out: what they repeat, where that stands."),
    "suspects": ("reason", SUSPECTS, "key", "Keys that the teacher contradicts, the strongest evidence first."),
    "lost": ("assemble", DROPS, "reason", "What did not become an example, and why."),
}
_EXAMPLE = {
    "split": "split", "question": "question", "asked": "prompt[-1].content", "answer": "completion[1].content",
    "shuffle": "shuffle",
}  # fmt: skip


def index(site: Site, request: Request) -> Response:
    """Every parsed source and every set of rationales, with what was thrown away of each."""
    parsed = [_parsed(site, receipt) for receipt in _newest(site, "parse")]
    reasoned = [_reasoned(site, receipt) for receipt in _newest(site, "reason")]
    broken = site.files.broken("parse") + site.files.broken("reason")
    return site.page(request, "data.html.j2", parsed=parsed, reasoned=reasoned, broken=broken)


def table(site: Site, request: Request) -> Response:
    """A page of rejects, drops or suspects."""
    name, id = request.path_params["table"], request.path_params["id"]
    if name not in TABLES:
        _absent(f"there is no table {name[:40]!r}")
    step, file, by, about = TABLES[name]
    folder = _folder(site, step, id)
    if not (folder / file).is_file():
        _absent(f"artifact {id} has no {file}: it is gone, or another build made it")
    if name == "suspects":
        return suspects.page(site, request, id, folder, _wanted(request, by), about)
    found = tables.page(site.duck, folder / file, _wanted(request, by))
    return site.page(
        request, "table.html.j2", name=name, id=id, by=by, about=about, found=found, value=ask(request, "value")
    )


def say(site: Site, request: Request, form: Mapping[str, str]) -> Response:
    """A person's word on a suspect key; back to the page that it was said on."""
    id = request.path_params["id"]
    here = f"/data/suspects/{id}"
    back = form.get("back", "")
    return suspects.say(site, _folder(site, "reason", id), form, back if back.split("?")[0] == here else here)


def snapshots(site: Site, request: Request) -> Response:
    """Every snapshot, newest first."""
    entries, problem = _lineage(site)
    found = [
        _snapshot(site, path.parent, entries)
        for path in (site.home.root / "artifacts" / "snapshots").glob(f"*/{MANIFEST}")
    ]
    found.sort(key=lambda row: (row["made_at"], row["id"]), reverse=True)
    return site.page(request, "snapshots.html.j2", snapshots=found, problem=problem)


def snapshot(site: Site, request: Request) -> Response:
    """One snapshot: its counts, its lineage, its examples."""
    folder, row, entries = _one(site, request.path_params["id"])
    found = None
    if (folder / EXAMPLES).is_file():
        found = tables.page(site.duck, folder / EXAMPLES, _wanted(request, "split"), _EXAMPLE)
    others = [e.snapshot for e in entries if e.snapshot != row["id"]]
    others += [p.parent.name for p in folder.parent.glob(f"*/{MANIFEST}")]
    return site.page(
        request, "snapshot.html.j2", row=row, found=found, value=ask(request, "value"),
        others=[o for o in dict.fromkeys(others) if o != row["id"]], lost=(folder / DROPS).is_file(),
    )  # fmt: skip


def diff(site: Site, request: Request) -> Response:
    """What came, went, changed or moved from one snapshot to another."""
    sides = [_one(site, request.path_params[x]) for x in ("a", "b")]
    for folder, row, _ in sides:
        if not (folder / EXAMPLES).is_file():
            _absent(f"snapshot {row['id']} has no {EXAMPLES}: it is gone, or another build made it")
    kind = ask(request, "kind") if ask(request, "kind") in Kinds else ""
    found = site.diffs.page(Sides(*(folder / EXAMPLES for folder, _, _ in sides)), kind, number(request, "page"))
    return site.page(request, "diff.html.j2", a=sides[0][1], b=sides[1][1], kind=kind, kinds=Kinds, found=found)


def _parsed(site: Site, receipt: Receipt) -> Row:
    facts, folder = receipt.facts, site.files.inside(receipt.artifact)
    sources = [s.get("name") for s in facts.get("sources") or [] if isinstance(s, dict)]
    inputs = receipt.ingredients.get("inputs") or {}
    made = next((r for r in site.files.receipts("puzzles") if r.digest == inputs.get("source")), None)
    return {
        "id": Path(receipt.artifact).name,
        "sources": [str(s) for s in sources] or ([f"{made.facts.get('problems')} generated puzzles"] if made else []),
        "facts": facts,
        "made_at": receipt.made_at,
        "gone": folder is None,
        **{
            name: tables.count(site.duck, folder / TABLES[name][1]) if folder else None for name in ("rejects", "drops")
        },
    }


def _reasoned(site: Site, receipt: Receipt) -> Row:
    folder = site.files.inside(receipt.artifact)
    return {
        "id": Path(receipt.artifact).name,
        "facts": receipt.facts,
        "made_at": receipt.made_at,
        "gone": folder is None,
        "page": bool(folder and (folder / "rationales.html").is_file()),
        "suspects": tables.count(site.duck, folder / SUSPECTS) if folder else None,
    }


def _newest(site: Site, step: str) -> list[Receipt]:
    """The receipts of a step, newest first, one an artifact."""
    found = {receipt.artifact: receipt for receipt in site.files.receipts(step)}
    return list(reversed(found.values()))


def _folder(site: Site, step: str, id: str) -> Path:
    for receipt in site.files.receipts(step):
        if Path(receipt.artifact).name == id and (folder := site.files.inside(receipt.artifact)):
            return folder
    _absent(f"no artifact {id[:80]!r} of {step} is in this home")


def _one(site: Site, id: str) -> tuple[Path, Row, list[Entry]]:
    shelf = site.home.root / "artifacts" / "snapshots"
    folder = next((path.parent for path in shelf.glob(f"*/{MANIFEST}") if path.parent.name == id), None)
    if folder is None:
        _absent(f"there is no snapshot {id[:80]!r} in this home")
    entries, _ = _lineage(site)
    return folder, _snapshot(site, folder, entries), entries


def _snapshot(site: Site, folder: Path, entries: list[Entry]) -> Row:
    manifest = site.files.json(folder / MANIFEST)
    facts = (manifest or {}).get("facts")
    facts = facts if isinstance(facts, dict) else {}
    rows = facts.get("rows")
    mine = [entry for entry in entries if entry.snapshot == folder.name]
    return {
        "id": folder.name,
        "facts": facts,
        "rows": rows if isinstance(rows, dict) else {},
        "made_at": str((manifest or {}).get("made_at") or ""),
        "recipes": sorted({entry.recipe for entry in mine}),
        "entries": mine,
        "card": (folder / "card.html").is_file(),
        "problem": "" if manifest else "its manifest is torn, or of another build",
    }


def _lineage(site: Site) -> tuple[list[Entry], str]:
    try:
        return lineage.history(site.home), ""
    except (KeyError, TypeError, OSError) as error:
        return [], f"which snapshot followed which cannot be read: {type(error).__name__} {error}"


def _wanted(request: Request, by: str) -> Wanted:
    return Wanted(
        text=ask(request, "q"),
        by=by,
        value=ask(request, "value"),
        sort=ask(request, "sort"),
        down=ask(request, "order") == "down",
        page=number(request, "page"),
    )


def _absent(why: str) -> NoReturn:
    raise HTTPException(404, why)
