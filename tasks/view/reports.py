"""Every page that the steps wrote for people: reports, rationales, data cards, trends, sweeps; shown as they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from storage.artifacts import MANIFEST
from tasks.view.sealed import KEPT
from tasks.view.site import Site

Row = dict[str, Any]
# by the first part of their address: the folder below the home, and the file
PAGES = {
    "reports": ("artifacts/reports", "report.html"),
    "rationales": ("artifacts/rationales", "rationales.html"),
    "cards": ("artifacts/snapshots", "card.html"),
    "trends": ("measures", "trend.html"),
    "sweeps": ("sweeps", "sweep.html"),
}


def index(site: Site, request: Request) -> Response:
    """Every report, newest first, and the other pages."""
    evaluated = {receipt.digest: receipt.facts for receipt in site.files.receipts("evaluate")}
    reports = [_report(site, folder, evaluated) for folder in _folders(site, "reports")]
    reports.sort(key=lambda row: (row["made_at"], row["id"]), reverse=True)
    others = [(kind, folder.name) for kind in ("trends", "sweeps") for folder in _folders(site, kind)]
    return site.page(request, "reports.html.j2", reports=reports, others=others)


def kept(site: Site, request: Request) -> Response:
    """A page as it lies in the home, in a sandbox of its own: it may be of any build."""
    kind, id = request.path_params["kind"], request.path_params["id"]
    if kind in PAGES:
        for folder in _folders(site, kind):
            if folder.name == id:
                text = (folder / PAGES[kind][1]).read_bytes()
                return HTMLResponse(text, headers={"Content-Security-Policy": KEPT})
    raise HTTPException(404, f"this home has no such page: {kind[:40]}/{id[:80]}")


def _folders(site: Site, kind: str) -> list[Path]:
    place, file = PAGES[kind]
    return [path.parent for path in (site.home.root / place).glob(f"*/{file}")]


def _report(site: Site, folder: Path, evaluated: dict[str, Any]) -> Row:
    manifest = site.files.json(folder / MANIFEST) or {}
    ingredients = manifest.get("ingredients")
    ingredients = ingredients if isinstance(ingredients, dict) else {}
    settings, inputs = (found if isinstance(found := ingredients.get(p), dict) else {} for p in ("settings", "inputs"))
    recipe = settings.get("recipe")
    facts = evaluated.get(str(inputs.get("evaluate"))) or {}
    paired = facts.get("paired")
    paired = paired if isinstance(paired, dict) else {}
    return {
        "id": folder.name,
        "recipe": str(recipe.get("name") or "") if isinstance(recipe, dict) else "",
        "adapter": str(facts.get("adapter_name") or ""),
        "verdict": str(paired.get("verdict") or ""),
        "difference": paired.get("difference"),
        "questions": facts.get("questions"),
        "made_at": str(manifest.get("made_at") or ""),
        "problem": ""
        if manifest and facts
        else "what it is about is not known: its manifest or its evaluation's receipt is gone",
    }
