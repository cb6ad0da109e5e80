"""What running a step now would do, and why: receipts and artifacts are read, nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from storage import shared_store
from storage.home import Home
from storage.records import Receipt
from tasks.runtime.step import Step, find, orphan, remembered

_LOOKED_AT = 50  # receipts, the newest


@dataclass(frozen=True, slots=True)
class Forecast:
    """What running a step now would do, and the receipt it would find (None if it will run)."""

    name: str
    status: Literal["cached", "will_run"]
    why: str
    receipt: Receipt | None = None


def forecast(step: Step, home: Home, *, refresh: bool = False) -> Forecast:
    """What `run_step` would do and why; reads receipts and artifacts, changes nothing."""
    if step.key is None:
        waiting = ", ".join(name for name, value in step.inputs.items() if value is None)
        return Forecast(step.name, "will_run", f"waits for {waiting}, which will be made anew")
    if refresh:
        return Forecast(step.name, "will_run", "asked for with --refresh")
    if found := find(step, home) or orphan(step, home):
        return Forecast(step.name, "cached", f"made {found.made_at}, {found.artifact} is whole", found)
    if (store := shared_store.chosen()) and (found := store.find(step.name, step.key)):
        return Forecast(step.name, "will_run", f"made {found.made_at}; it is fetched from the shared store", found)
    known = remembered(step, home)
    if known:
        # its digest is still known, so that later steps need not be forecast as new
        return Forecast(step.name, "will_run", f"artifact {known.artifact} is gone or damaged", known)
    return Forecast(step.name, "will_run", _difference(step, home))


def _difference(step: Step, home: Home) -> str:
    """In what the nearest earlier receipt of this step differs from this step: of one name, fewest changes, newest."""
    folder = home.receipt(step.name, "x").parent
    newest = sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True) if folder.exists() else []
    earlier = [orjson.loads(file.read_bytes())["ingredients"] for file in newest[:_LOOKED_AT]]
    if (name := step.settings.get("name")) is not None:  # another recipe's is nothing to compare with
        earlier = [before for before in earlier if before["settings"].get("name") == name]
        if newest and not earlier:
            return f"never run for {name} in this home"
    if not earlier:
        return "never run in this home"
    now = step.ingredients
    fewest: list[str] = min([_changes(before, now) for before in earlier], key=len)
    return "; ".join(fewest) or "its receipt is gone"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    changes = []
    for part in ("settings", "inputs"):
        for name in sorted(before[part].keys() | now[part].keys()):
            old, new = before[part].get(name), now[part].get(name)
            if old != new and part == "settings":
                changes.append(f"{name} changed from {_short(old)} to {_short(new)}")
            elif old != new:
                changes.append(f"{name} changed")
    return [*changes, *(["its code changed"] if before["code"] != now["code"] else [])]


def _short(value: object) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def stand_in(forecasted: Forecast) -> Receipt:
    """A stand-in receipt for planning: the digest if it is remembered, else unknown (empty)."""
    if forecasted.receipt:
        return forecasted.receipt
    return Receipt(forecasted.name, "", "", "", {}, {}, 0.0, "")
