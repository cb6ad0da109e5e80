"""What running a step now would do, and why: receipts and artifacts are read, nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson

from storage import shared
from storage.home import Home
from storage.records import Receipt
from tasks.step import Step, find, orphan, remembered


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
    if (store := shared.chosen()) and (found := store.find(step.name, step.key)):
        return Forecast(step.name, "will_run", f"made {found.made_at}; it is fetched from the shared store", found)
    known = remembered(step, home)
    if known:
        # its digest is still known, so that later steps need not be forecast as new
        return Forecast(step.name, "will_run", f"artifact {known.artifact} is gone or damaged", known)
    return Forecast(step.name, "will_run", _difference(step, home))


def _difference(step: Step, home: Home) -> str:
    """In what the nearest earlier receipt of this step differs from this step."""
    folder = home.receipt(step.name, "x").parent
    earlier = sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime) if folder.exists() else []
    if not earlier:
        return "never run in this home"
    changes = []
    before = orjson.loads(earlier[-1].read_bytes())["ingredients"]
    now = step.ingredients
    for part in ("settings", "inputs"):
        for name in sorted(before[part].keys() | now[part].keys()):
            old, new = before[part].get(name), now[part].get(name)
            if old != new and part == "settings":
                changes.append(f"{name} changed from {_short(old)} to {_short(new)}")
            elif old != new:
                changes.append(f"{name} changed")
    if before["code"] != now["code"]:
        changes.append("its code changed")
    return "; ".join(changes) or "its receipt is gone"


def _short(value: object) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def stand_in(forecasted: Forecast) -> Receipt:
    """A stand-in receipt for planning: the digest if it is remembered, else unknown (empty)."""
    if forecasted.receipt:
        return forecasted.receipt
    return Receipt(forecasted.name, "", "", "", {}, {}, 0.0, "")
