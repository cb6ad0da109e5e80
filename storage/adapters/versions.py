"""Adapter versions: `NAME/N` is an immutable folder `adapters/NAME/N` of the home.

versions(home, "logic")              [1, 2]
resolve(home, "logic/2")             the folder; also "logic@latest", "logic@champion"
about(folder)                        what its manifest and adapter.json say
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from storage.adapters import aliases
from storage.adapters.folder import AdapterFolder
from storage.artifacts import MANIFEST, read_manifest
from storage.home import Home
from storage.records import UsageError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_REFERENCE = re.compile(r"(?P<name>[^/@]+)(?:/(?P<number>[1-9][0-9]{0,8})|@(?P<alias>[a-z][a-z0-9_-]*))")
# what vllm takes as max_lora_rank (vllm.config.lora.MaxLoRARanks); an adapter of another rank is served by the next


@dataclass(frozen=True, slots=True)
class Adapter:
    """One version: its name and number, and its folder."""

    name: str
    number: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"


def check_name(name: str) -> str:
    """The name, if it can be a folder, a model's name in a request and a key. UsageError otherwise."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            "this cannot be an adapter's name",
            seen=repr(name),
            expected="1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit at either end, no two dots together",
        )
    return name


def names(home: Home) -> list[str]:
    """Adapters that have at least one version, in the order of their names."""
    if not home.adapters.is_dir():
        return []
    return sorted(p.name for p in home.adapters.iterdir() if p.is_dir() and _NAME.fullmatch(p.name) and _numbers(p))


def versions(home: Home, name: str) -> list[int]:
    """The numbers of an adapter's versions, rising; none if there is no such adapter."""
    return _numbers(home.adapters / check_name(name))


def resolve(home: Home, reference: str) -> Adapter:
    """The adapter that "NAME/N", "NAME@latest" or "NAME@ALIAS" names. UsageError if badly spelled or not there."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        known = reference in names(home)
        raise UsageError(
            "this names no adapter",
            seen=repr(reference),
            expected="NAME/N, NAME@latest or NAME@ALIAS",
            hint=f"did you mean {reference}/{versions(home, reference)[-1]}?" if known else "`ponens adapters list`",
        )
    name = check_name(match["name"])
    there = versions(home, name)
    if not there:
        raise UsageError(
            f"there is no adapter {name!r} in {home.root}",
            seen=reference,
            expected=f"one of {', '.join(names(home)) or '(none was trained yet)'}",
            hint="ponens train RECIPE, or name another home with --home",
        )
    number = _pointed_at(home, name, match["alias"], there) if match["alias"] else int(match["number"])
    if number not in there:
        raise UsageError(
            f"adapter {name!r} has no version {number}", seen=reference, expected=f"one of {', '.join(map(str, there))}"
        )
    return Adapter(name, number, home.adapters / name / str(number))


def about(adapter: Adapter) -> dict[str, Any]:
    """What people ask of an adapter: adapter.json, with the manifest's digest. PonensError if it is damaged."""
    manifest = read_manifest(adapter.folder)
    try:
        found = AdapterFolder(adapter.folder).about
    except (OSError, orjson.JSONDecodeError):
        found = {"facts": manifest.get("facts", {})}
    return found | {"adapter": str(adapter), "digest": manifest["digest"]}


def _pointed_at(home: Home, name: str, alias: str, there: list[int]) -> int:
    known = {aliases.LATEST: there[-1], **aliases.current(home, name)}
    if alias not in known:
        raise UsageError(
            f"adapter {name!r} has no alias {alias!r}",
            expected=f"one of {', '.join(known)}",
            hint=f"ponens promote {name}/{there[-1]}"
            if alias == aliases.CHAMPION
            else f"set it with `ponens adapters alias {name}/{there[-1]} {alias}`",
        )
    return known[alias]


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit() and (p / MANIFEST).is_file())
