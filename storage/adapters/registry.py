"""The adapters of a home as a registry: listed, compared, named by aliases, removed.

listing(home)                                 every version, newest of each name first
set_alias(home, adapter, "stable", "…")       atomic, with a history of moves (storage.adapters.aliases)
diff(home, a, b)                              the settings, data, libraries and metrics that differ
remove(home, adapter)                         its number is never given again
"""

from __future__ import annotations

import getpass
import shutil
import socket
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from storage.adapters import aliases
from storage.adapters import versions as adapters
from storage.adapters.aliases import How, Move, check_alias
from storage.adapters.versions import Adapter
from storage.artifacts import MANIFEST, read_manifest, write_json
from storage.home import Home
from storage.records import PonensError, UsageError

REMOVED = "removed.json"
_DATA = ("base_model", "revision", "base_identity", "snapshot", "prompt")
_METRICS = (
    "steps", "epochs", "rows", "valid_rows", "truncated", "trained_tokens", "loss_first", "loss_last", "valid_loss",
    "trainable", "parameters", "template", "tokens_per_second", "seconds", "device",
)  # fmt: skip


class Overtaken(PonensError):
    """The alias points elsewhere than whoever moves it had seen; nothing was moved."""


def listing(home: Home) -> list[dict[str, Any]]:
    """What `ponens adapters list` says: every version, by name, newest first."""
    judged = evaluations(home)
    return [
        summary(home, Adapter(name, number, home.adapters / name / str(number)), judged)
        for name in adapters.names(home)
        for number in reversed(adapters.versions(home, name))
    ]


def summary(home: Home, adapter: Adapter, judged: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One version in a line: where it came from, how it trained, how it was judged, who points at it."""
    manifest, about = read_manifest(adapter.folder), adapters.about(adapter)
    facts, settings = about.get("facts", {}), about.get("settings", {})
    newest = adapters.versions(home, adapter.name)[-1] == adapter.number
    pointing = [a for a, number in aliases.current(home, adapter.name).items() if number == adapter.number]
    return {
        "adapter": str(adapter),
        "aliases": [*([aliases.LATEST] if newest else []), *pointing],
        "base_model": about.get("base_model"),
        "method": settings.get("method"),
        "rank": settings.get("rank"),
        "snapshot": (about.get("snapshot") or "")[:16] or None,
        "loss": facts.get("loss_last"),
        "valid_loss": facts.get("valid_loss"),
        "evaluation": judged.get(str(adapter)),
        "digest": manifest["digest"],
        "bytes": sum(entry["bytes"] for entry in manifest["files"].values()),
        "made_at": manifest.get("made_at"),
        "path": str(adapter.folder),
    }


def evaluations(home: Home) -> dict[str, dict[str, Any]]:
    """By adapter, the newest evaluation that any receipt of this home holds: its counts, accuracies and verdict."""
    found: dict[str, dict[str, Any]] = {}
    for receipt in sorted(_receipts(home, "evaluate"), key=lambda r: str(r.get("made_at"))):
        facts = receipt.get("facts", {})
        shared = {name: facts.get(name) for name in ("questions", "votes", "engine")}
        shared |= {"base": facts.get("base"), "at": receipt.get("made_at"), "artifact": receipt.get("artifact")}
        if name := facts.get("adapter_name"):
            found[name] = shared | {"adapter": facts.get("adapter"), "paired": facts.get("paired")}
        for other, side in (facts.get("others") or {}).items():
            found[other] = shared | {"adapter": side, "paired": side.get("paired")}
    return found


def set_alias(
    home: Home,
    adapter: Adapter,
    alias: str,
    because: str = "",
    *,
    how: How = "by hand",
    evidence: Mapping[str, Any] | None = None,
    seen: int | Literal["any"] | None = "any",
) -> Move | None:
    """Point an alias at a version; the move, or None if it points there already.

    `seen` is where the caller saw it point: Overtaken if another has moved it since. UsageError for a name that
    cannot be set, and where the version has gone in the meantime.
    """
    check_alias(alias)
    with _locked(home, adapter.name):
        if adapter.number not in adapters.versions(home, adapter.name):
            raise UsageError(f"adapter {adapter} is gone", hint="`ponens adapters list` shows those there are")
        before = aliases.current(home, adapter.name).get(alias)
        if seen not in ("any", before):
            raise Overtaken(f"{adapter.name}@{alias} was moved meanwhile", seen=before, expected=str(seen))
        if before == adapter.number:
            return None
        return _move(home, adapter, alias, before, adapter.number, because, how, evidence)


def drop_alias(home: Home, adapter: Adapter, alias: str, because: str = "") -> Move:
    """Take an alias away from the version that it points at. UsageError if it points elsewhere."""
    with _locked(home, adapter.name):
        before = aliases.current(home, adapter.name).get(alias)
        if before != adapter.number:
            raise UsageError(f"{adapter.name}@{alias} does not point at {adapter}", seen=before or "no such alias")
        return _move(home, adapter, alias, before, None, because)


def mentions(home: Home, adapter: Adapter) -> list[str]:
    """What refers to a version: aliases, and reports by their path in the home."""
    pointing = [a for a, number in aliases.current(home, adapter.name).items() if number == adapter.number]
    return [f"{adapter.name}@{alias}" for alias in pointing] + [
        str(file.parent.relative_to(home.root))
        for file in sorted((home.root / "artifacts" / "reports").glob("*/report.json"))
        if str(adapter) in _compared(_read(file))
    ]


def _compared(report: Mapping[str, Any]) -> list[Any]:
    return [report.get("adapter"), *((report.get("evaluation") or {}).get("others") or {})]


def remove(home: Home, adapter: Adapter, *, force: bool = False) -> list[str]:
    """Remove a version for good; what referred to it is returned. UsageError if anything does, unless forced.

    It is gone at once, when its manifest goes; a kill after that leaves files that the next removal of this
    name clears away. Its folder stays, with a note in it, so that no later version takes its number.
    """
    with _locked(home, adapter.name):
        _sweep(home, adapter.name)
        if (found := mentions(home, adapter)) and not force:
            raise UsageError(
                f"adapter {adapter} is referred to",
                seen=", ".join(found),
                hint="--force removes it all the same",
            )
        write_json(adapter.folder / REMOVED, {"adapter": str(adapter), "at": _now(), "referred_to_by": found})
        (adapter.folder / MANIFEST).unlink(missing_ok=True)
        for alias, number in aliases.current(home, adapter.name).items():
            if number == adapter.number:
                _move(home, adapter, alias, number, None, "removed", "removed")
        _sweep(home, adapter.name)
    return found


def diff(home: Home, a: Adapter, b: Adapter) -> dict[str, Any]:
    """In what two versions differ: {"settings" | "data" | "libraries" | "metrics": {name: [in a, in b]}}."""
    one, other = adapters.about(a), adapters.about(b)
    judged = evaluations(home)
    return {
        "a": str(a),
        "b": str(b),
        "same_weights": one["digest"] == other["digest"],
        "settings": _differing(one.get("settings", {}), other.get("settings", {})),
        "data": _differing(_only(one, _DATA), _only(other, _DATA)),
        "libraries": _differing(one.get("libraries", {}), other.get("libraries", {})),
        "metrics": _differing(_measured(one, judged.get(str(a))), _measured(other, judged.get(str(b)))),
    }


def _measured(about: Mapping[str, Any], judged: Mapping[str, Any] | None) -> dict[str, Any]:
    found = _only(about.get("facts", {}), _METRICS)
    side, paired = (judged or {}).get("adapter") or {}, (judged or {}).get("paired") or {}
    return found | {"accuracy": side.get("accuracy"), "verdict": paired.get("verdict")}


def _only(content: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: content.get(name) for name in names}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [a.get(name), b.get(name)] for name in sorted({*a, *b}) if a.get(name) != b.get(name)}


def _locked(home: Home, name: str) -> AbstractContextManager[None]:
    return home.lock(f"adapters-{name}")


def _move(
    home: Home,
    adapter: Adapter,
    alias: str,
    before: int | None,
    after: int | None,
    because: str,
    how: How = "by hand",
    evidence: Mapping[str, Any] | None = None,
) -> Move:
    move = Move(adapter.name, alias, before, after, _now(), because, _who(), how, evidence)
    aliases.append(home, move)
    return move


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _sweep(home: Home, name: str) -> None:
    """Clear the folders of removed versions of all but the note."""
    for note in (home.adapters / name).glob(f"*/{REMOVED}"):
        if not (note.parent / MANIFEST).exists():
            for path in note.parent.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path != note:
                    path.unlink()


def _receipts(home: Home, step: str) -> Iterable[dict[str, Any]]:
    return map(_read, (home.root / "receipts" / step).glob("*.json"))


def _read(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
