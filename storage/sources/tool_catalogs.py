"""Files as other tools' catalogues describe them: which there are, what their columns mean, how many rows count.

    data/dataset_info.json     LLaMA-Factory's, and ms-swift's registration
    config.yml                 axolotl's `datasets:`

A description makes rows as our own formats have them: columns get the names that the formats know, roles theirs. What
a catalogue names and is not on this disk is told, not fetched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from storage.records import Rejected, UsageError
from storage.sources.rows import Row, rows

CATALOGUE = "dataset_info.json"
YAML = (".yml", ".yaml")
_HUBS = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
_APART = ("test_datasets", "pretraining_dataset")
_SWIFT_HUBS = ("ms_dataset_id", "hf_dataset_id", "dataset_path")
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
_SHAREGPT = {"messages": "conversations"}
_ROLES = {
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
_SWIFT_ROLES = {"user_role": "human", "assistant_role": "gpt", "system_role": "system"}


@dataclass(frozen=True, slots=True)
class Description:
    """How a catalogue describes a file. `columns` has their names by ours, `roles` our roles by theirs.

    `tags` are the keys of a turn's role and words; `limit` is how many rows count, None for all.
    """

    catalogue: Path
    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, str] | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    remarks: tuple[str, ...] = ()  # what of the entry is not honoured

    def row(self, value: Any) -> Any:
        """A row by our names; what the catalogue does not name stays as it is."""
        if not isinstance(value, dict):
            return value
        named = {ours: value[theirs] for ours, theirs in self.columns.items() if theirs in value}
        row = {name: cell for name, cell in value.items() if name not in set(self.columns.values())} | named
        return {name: self._turns(cell) for name, cell in row.items()} if self.tags else row

    def _turns(self, cell: Any) -> Any:
        if isinstance(cell, list):
            return [self._turn(item) for item in cell]
        return self._turn(cell)

    def _turn(self, item: Any) -> Any:
        by, words = self.tags or ("", "")
        if not isinstance(item, dict) or by not in item:
            return item
        rest = {key: value for key, value in item.items() if key not in (by, words)}
        role = self.roles.get(item[by], item[by]) if isinstance(item[by], str) else item[by]
        return {"from": role, "value": item.get(words), **rest}


class Named(tuple[str, Path]):
    """A file's name and its place; unpacks as these two. `description` is what a catalogue says of its rows."""

    description: Description | None = None

    @classmethod
    def of(cls, name: str, path: Path, description: Description | None = None) -> Named:
        """The file of that name at `path`."""
        made = cls((name, path))
        made.description = description
        return made


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a catalogue names: the files that are here, each described, and what is not read and why."""

    path: Path
    files: Mapping[Path, Description]
    elsewhere: tuple[str, ...] = ()


def described_rows(file: tuple[str, Path]) -> Iterator[Row | Rejected]:
    """The rows of a file, as its catalogue describes them if there is one."""
    name, path = file
    description = getattr(file, "description", None)
    if description is None:
        return rows(name, path)
    items = (
        item if isinstance(item, Rejected) else Row(item.line, description.row(item.value)) for item in rows(name, path)
    )
    return islice(items, description.limit)


def catalogue_of(path: Path) -> Catalogue | None:
    """The catalogue at `path`, or of the folder `path`; None where there is none.

    UsageError for a YAML file that names no datasets, and for a damaged one.
    """
    if path.suffix.lower() in YAML and path.is_file():
        return _axolotl(path)
    place = path / CATALOGUE if path.is_dir() else path
    if place.name != CATALOGUE or not place.is_file():
        return None
    try:
        content = orjson.loads(place.read_bytes())
    except orjson.JSONDecodeError as error:
        raise UsageError("a catalogue of datasets is damaged", seen=f"{place}: {error}") from None
    if isinstance(content, list) and any(isinstance(e, dict) and set(_SWIFT_HUBS) & e.keys() for e in content):
        return _made(place, ((_swift_name(entry), entry, _swift(place, entry)) for entry in content))
    entries = content if isinstance(content, dict) else {}
    if any(isinstance(entry, dict) and {"file_name", *_HUBS} & entry.keys() for entry in entries.values()):
        return _made(place, ((name, entry, _factory(place, name, entry)) for name, entry in entries.items()))
    return None  # of `datasets`: it says what the columns are, not which files there are


def _made(place: Path, entries: Iterator[tuple[str, Any, Description]]) -> Catalogue:
    files: dict[Path, Description] = {}
    elsewhere = []
    for name, entry, description in entries:
        local = (
            entry.get("file_name", entry.get("dataset_path", entry.get("path"))) if isinstance(entry, dict) else None
        )
        hub = next((entry[key] for key in _HUBS if entry.get(key)), None) if isinstance(entry, dict) else None
        if hub is not None or local is None:
            elsewhere.append(f"{name} (at {hub or 'a hub'})")
            continue
        file = place.parent / Path(os.path.expanduser(str(local)))
        if not file.exists() and Path(os.path.expanduser(str(local))).exists():
            file = Path(os.path.expanduser(str(local)))  # axolotl's are relative to where it was started
        if not file.exists():
            elsewhere.append(f"{name} ({local} is not here)")
        elif file in files:
            elsewhere.append(f"{name} (the file of {files[file].name} once more)")
        else:
            files[file] = description
    return Catalogue(place, files, tuple(elsewhere))


def _factory(place: Path, name: str, entry: Any) -> Description:
    """LLaMA-Factory: without `columns` its defaults count, with them only what they name."""
    entry = entry if isinstance(entry, dict) else {}
    dialogue = entry.get("formatting") == "sharegpt"
    given = {k: v for k, v in (entry.get("columns") or {}).items() if isinstance(v, str)}
    columns = given or (_SHAREGPT if dialogue else _ALPACA)
    ours = {**_ALPACA, **_SHAREGPT}
    named = {ours.get(key, key): theirs for key, theirs in columns.items()}
    if not dialogue and set(given) == {"prompt"}:
        named = {"text": given["prompt"]}  # to go on pre-training with
    tags = {k: v for k, v in (entry.get("tags") or {}).items() if isinstance(v, str)}
    roles = {theirs: _ROLES[key] for key, theirs in tags.items() if key in _ROLES}
    keys = (tags.get("role_tag", "from"), tags.get("content_tag", "value")) if dialogue else None
    limit = entry.get("num_samples")
    return Description(place, name, named, keys, roles, limit if isinstance(limit, int) and limit > 0 else None)


def _swift(place: Path, entry: Any) -> Description:
    """ms-swift: `columns` has their names first; `messages` says how a turn is written."""
    entry = entry if isinstance(entry, dict) else {}
    columns = {ours: theirs for theirs, ours in (entry.get("columns") or {}).items() if isinstance(ours, str)}
    turn = entry.get("messages") or {}
    roles = {turn[key]: ours for key, ours in _SWIFT_ROLES.items() if isinstance(turn.get(key), str)}
    keys = (str(turn.get("role_key", "role")), str(turn.get("content_key", "content"))) if turn else None
    return Description(place, _swift_name(entry), columns, keys, roles)


def _swift_name(entry: Any) -> str:
    return str(next((entry[key] for key in _SWIFT_HUBS if entry.get(key)), "?")) if isinstance(entry, dict) else "?"


def _axolotl(place: Path) -> Catalogue:
    try:
        import yaml
    except ImportError:
        raise UsageError(f"{place} needs a reader of YAML", hint="pip install pyyaml") from None
    try:
        content = yaml.safe_load(place.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError("a YAML file is damaged", seen=f"{place}: {str(error).splitlines()[0]}") from None
    entries = content.get("datasets") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "path" in entry for entry in entries):
        raise UsageError(
            "a YAML file that names no datasets",
            seen=place,
            expected="axolotl's `datasets:`, a list of entries with a path",
        )
    made = _made(
        place,
        (
            (str(one["path"]), one, _axolotl_entry(place, entry))
            for entry in entries
            for one in _placed(place.parent, entry)
        ),
    )
    apart = [f"{key} (sets for evaluation: evaluate on them apart)" for key in _APART if content.get(key)]
    return replace(made, elsewhere=(*made.elsewhere, *apart))


def _placed(folder: Path, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entry once for each file: those that `data_files` names lie below `path`, or in its place."""
    files = entry.get("data_files")
    names = [files] if isinstance(files, str) else files if isinstance(files, list) else []
    below = Path(str(entry["path"]))
    here = [str(below / str(name)) if (folder / below / str(name)).exists() else str(name) for name in names]
    return [{**entry, "path": name} for name in here] or [dict(entry)]


def _axolotl_entry(place: Path, entry: Mapping[str, Any]) -> Description:
    kind, columns, remarks = entry.get("type"), dict[str, str](), []
    if isinstance(kind, dict):
        ours = {"field_instruction": "instruction", "field_input": "input", "field_output": "output"}
        columns = {name: str(kind[key]) for key, name in {**ours, "field_system": "system"}.items() if kind.get(key)}
        remarks = [
            f"{key} is not applied: a template renders prompts"
            for key in ("format", "no_input_format")
            if kind.get(key)
        ]
    elif kind == "completion" or "field" in entry:
        columns = {"text": str(entry.get("field", "text"))}
    for key, name in {
        "field_messages": "messages",
        "field_system": "system",
        "field_tools": "tools",
        "field_chosen": "chosen",
        "field_rejected": "rejected",
    }.items():
        if entry.get(key):
            columns[name] = str(entry[key])
    mapped = entry.get("message_property_mappings") or {}
    by = mapped.get("role", entry.get("message_field_role"))
    words = mapped.get("content", entry.get("message_field_content"))
    roles = {theirs: ours for ours, several in (entry.get("roles") or {}).items() for theirs in _listed(several)}
    keys = (str(by or "role"), str(words or "content")) if by or words or roles else None
    return Description(place, str(entry["path"]), columns, keys, roles, remarks=tuple(remarks))


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
