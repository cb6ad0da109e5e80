"""The adapters of a home: versions, aliases and champions, where each came from, how it was judged, its trend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from storage import reevaluations
from storage.adapters import aliases
from storage.adapters import versions as adapters
from storage.adapters.folder import ABOUT
from storage.adapters.provenance import walk
from storage.adapters.versions import Adapter
from storage.artifacts import MANIFEST
from storage.browse.files import Files
from storage.records import PonensError
from tasks.runtime.redaction import public
from tasks.view import drawing
from tasks.view.site import Site

Row = dict[str, Any]
_TREND = 12  # rounds that a table shows


def index(site: Site, request: Request) -> Response:
    """Every adapter with its newest version, its champion, and how its accuracy went."""
    judged = _judged(site.files)
    found = [_adapter(site, name, judged) for name in adapters.names(site.home)]
    return site.page(request, "adapters.html.j2", adapters=found)


def one(site: Site, request: Request) -> Response:
    """One adapter: its versions, its aliases and their moves, its re-evaluations."""
    name = _name(site, request)
    rounds, problem = _rounds(site, name)
    return site.page(
        request,
        "adapter.html.j2",
        **_adapter(site, name, _judged(site.files)),
        rounds=rounds[-_TREND:],
        rounds_problem=problem,
        trend_page=(reevaluations.folder(site.home, name) / "trend.html").is_file(),
    )


def version(site: Site, request: Request) -> Response:
    """One version: how it was trained and judged, and all that it came from."""
    name, number = _name(site, request), int(request.path_params["number"])
    if number not in adapters.versions(site.home, name):
        raise HTTPException(404, f"adapter {name} has no version {number}")
    adapter = Adapter(name, number, site.home.adapters / name / str(number))
    about = site.files.json(adapter.folder / ABOUT) or {}
    facts = about.get("facts") if isinstance(about.get("facts"), dict) else {}
    rows = about.get("history") or (facts or {}).get("loss")
    origin, problem = _origin(site, adapter)
    return site.page(
        request,
        "version.html.j2",
        name=name,
        number=number,
        row=_version(site, name, number, _judged(site.files), *_aliases(site, name)[:1]),
        facts={k: v for k, v in (facts or {}).items() if not isinstance(v, list | dict) and v is not None},
        settings={k: v for k, v in (public(about.get("settings")) or {}).items() if v not in (None, [], {})},
        libraries=about.get("libraries") or {},
        mlflow=public(about.get("mlflow")) or {},
        curve=drawing.losses(rows),
        origin=origin,
        problem=problem,
        runs=[run for node in walk(origin) for run in node.get("runs", [])] if origin else [],
    )


def _adapter(site: Site, name: str, judged: Mapping[str, Row]) -> Row:
    pointing, moves, problem = _aliases(site, name)
    versions = [_version(site, name, n, judged, pointing) for n in reversed(adapters.versions(site.home, name))]
    known = [v["accuracy"] for v in reversed(versions) if v["accuracy"] is not None]
    champion = pointing.get(aliases.CHAMPION)
    return {
        "name": name,
        "versions": versions,
        "champion": next((v for v in versions if v["number"] == champion), None),
        "aliases": pointing,
        "moves": list(reversed(moves)),
        "problem": problem,
        "spark": drawing.spark(known[-24:]),
    }


def _version(site: Site, name: str, number: int, judged: Mapping[str, Row], pointing: Mapping[str, int]) -> Row:
    folder = site.home.adapters / name / str(number)
    manifest = site.files.json(folder / MANIFEST)
    about = site.files.json(folder / ABOUT) or {}
    settings, facts = (found if isinstance(found := about.get(part), dict) else {} for part in ("settings", "facts"))
    found = judged.get(f"{name}/{number}") or {}
    return {
        "number": number,
        "adapter": f"{name}/{number}",
        "aliases": [alias for alias, at in pointing.items() if at == number],
        "base_model": about.get("base_model"),
        "method": settings.get("method"),
        "rank": settings.get("rank"),
        "loss": facts.get("loss_last"),
        "valid_loss": facts.get("valid_loss"),
        "snapshot": str(about.get("snapshot") or "")[:16],
        "made_at": (manifest or {}).get("made_at"),
        "problem": "" if manifest else "its manifest is torn, or of another build",
        "accuracy": None,
        "verdict": "",
        "evaluation": None,
        **found,
    }


def _judged(files: Files) -> dict[str, Row]:
    """By adapter its newest evaluation: accuracy, interval, verdict, where it lies."""
    found: dict[str, Row] = {}
    for receipt in files.receipts("evaluate"):
        facts = receipt.facts
        sides = {str(facts.get("adapter_name")): (facts.get("adapter"), facts.get("paired"))}
        others = facts.get("others")
        if isinstance(others, dict):
            sides |= {n: (side, side.get("paired")) for n, side in others.items() if isinstance(side, dict)}
        for name, (side, paired) in sides.items():
            side, paired = (part if isinstance(part, dict) else {} for part in (side, paired))
            if isinstance(accuracy := side.get("accuracy"), int | float):
                found[name] = {
                    "accuracy": float(accuracy),
                    "ci95": side.get("ci95"),
                    "verdict": str(paired.get("verdict") or ""),
                    "reason": str(paired.get("reason") or ""),
                    "evaluation": Path(receipt.artifact).name,
                }
    return found


def _aliases(site: Site, name: str) -> tuple[dict[str, int], list[aliases.Move], str]:
    try:
        return aliases.current(site.home, name), aliases.moves(site.home, name), ""
    except PonensError as error:
        return {}, [], str(error)


def _rounds(site: Site, recipe: str) -> tuple[list[reevaluations.Round], str]:
    try:
        return reevaluations.history(site.home, recipe), ""
    except (TypeError, KeyError, PonensError) as error:
        return [], f"its re-evaluations cannot be read, another build wrote them: {error}"


def _origin(site: Site, adapter: Adapter) -> tuple[Row | None, str]:
    try:
        return site.provenance().adapter(adapter), ""
    except (PonensError, KeyError, TypeError, AttributeError) as error:
        return None, f"where it came from cannot be read: {error}"


def _name(site: Site, request: Request) -> str:
    name = str(request.path_params["name"])
    if name not in adapters.names(site.home):
        raise HTTPException(404, f"this home has no adapter {name[:80]!r}")
    return name
