"""OpenCompass: `results/MODEL/DATASET.json` with its details, else `predictions/MODEL/DATASET.json`.

Both are one object with an entry a question, "0", "1" and so on; details may be a list as well, and as of 0.4 hold the
details of each repeat under "predictions". A prediction without "gold" has the key 0, where keys are numbers, else an
empty one: OpenCompass leaves both out. Where a dataset was asked `n` times, the whole set stands there n times, one
after the other: what repeats itself so is repeats. Predictions of a large dataset are shards, DATASET_0.json and so
on, each numbered anew: `shards` finds those that belong together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import UsageError

TOOL = "opencompass"
_SAID: tuple[str, ...] = ("pred", "predictions", "prediction")
_KEYS: tuple[str, ...] = ("gold", "references", "answer", "reference", "ref")
_RIGHT = ("correct", "is_correct", "cascade_correct", "score")
_NAMED = "example_abbr"  # the question's name in details of 0.4 and later: its subset and number
_SHARD = re.compile(r"(?P<whole>.+)_(?P<place>\d+)\.json")

Entry = Mapping[str, Any]


def is_it(file: Opened) -> bool:
    """Whether the file is of this tool."""
    return is_result(file) or is_prediction(file)


def is_result(file: Opened) -> bool:
    """Whether it is a file of results with details of each question."""
    return isinstance(file.document, dict) and bool(_details(file.document))


def is_prediction(file: Opened) -> bool:
    """Whether it is a file of predictions."""
    first = file.document
    entry = first.get("0") if isinstance(first, dict) else None
    return isinstance(entry, dict) and "prediction" in entry


def task_of(path: Path) -> str:
    """The task that the file is named after."""
    return path.name.partition(".json")[0]


def model_of(path: Path) -> str:
    """The model, whose folder the file lies in."""
    return path.parent.name


def shards(files: Sequence[Opened]) -> list[list[Opened]]:
    """The files of each task in their order: one, or the shards 0 to k of predictions that no whole file stands for."""
    whole = {file.path for file in files}
    by_task: dict[Path, dict[int, Opened]] = defaultdict(dict)
    for file in files:
        if (named := _SHARD.fullmatch(file.path.name)) and not is_result(file):
            by_task[file.path.with_name(f"{named['whole']}.json")][int(named["place"])] = file
    joined = {
        task: [parts[place] for place in sorted(parts)]
        for task, parts in by_task.items()
        if sorted(parts) == list(range(len(parts))) and len(parts) > 1 and task not in whole
    }
    of_shards = {file.path for parts in joined.values() for file in parts}
    return [*([file] for file in files if file.path not in of_shards), *joined.values()]


def is_judged(path: Path, judged: set[str]) -> bool:
    """Whether a file of predictions is of a task, or a shard of one, that results judge already."""
    shard = _SHARD.fullmatch(path.name)
    return task_of(path) in judged or (shard is not None and shard["whole"] in judged)


def read(files: Sequence[Opened], choice: Choice) -> Task:
    """The task of one file, or of the shards of one."""
    name = task_of(files[0].path) if len(files) == 1 else task_of(files[0].path).rpartition("_")[0]
    entries: list[tuple[int, list[Entry], str]] = []
    for file in files:
        start = max((index for index, _, _ in entries), default=-1) + 1
        found = _details(file.document) if is_result(file) else _numbered(file.document)
        entries += [(start + index, repeats, f"{file.path}, {index}") for index, repeats in found]
    left_out = 0 if any(type(_first(one, _KEYS + _SAID[2:])) is int for _, of, _ in entries for one in of) else ""
    items = [_of_repeats(index, [_item(index, one, left_out, at) for one in of]) for index, of, at in entries]
    task = Task(name, items, "", "" if choice.metric is None else choice.metric)
    numbers = [one.index for one in items]
    if len(files) > 1:
        task.notes.append(f"{name}: {len(files)} shards are joined")
    if lacking := len(set(range(max(numbers) + 1))) - len(set(numbers)):
        task.notes.append(f"{task.name}: {lacking} of {max(numbers) + 1} numbers are not in the file")
    elif (times := _times(items)) > 1:
        size = len(items) // times
        task.items = [_of_repeats(index, items[index::size]) for index in range(size)]
    return task


def _numbered(document: Mapping[str, Any]) -> list[tuple[int, list[Entry]]]:
    found: list[tuple[int, list[Entry]]] = []
    for name, entry in document.items():
        if not (name.isascii() and name.isdigit()) or not isinstance(entry, dict):
            raise UsageError(f"OpenCompass, entry {name[:40]!r}", seen=str(entry)[:60], expected="entries by number")
        found.append((int(name), [entry]))
    return sorted(found, key=lambda pair: pair[0])


def _details(document: Mapping[str, Any]) -> list[tuple[int, list[Entry]]]:
    details = document.get("details")
    if isinstance(details, dict):
        details = [details[str(n)] for n in range(len(details)) if str(n) in details]
    if not isinstance(details, list):
        return []
    each = [_repeats(one) for one in details]
    return [(n, of) for n, of in enumerate(each) if of and all(_first(one, _SAID + _RIGHT) is not None for one in of)]


def _repeats(detail: Any) -> list[Entry]:
    """The details of each reply to a question."""
    if isinstance(detail, dict) and isinstance(detail.get("detail"), dict):
        detail = detail["detail"]
    if not isinstance(detail, dict):
        return []
    nested = detail.get("predictions")
    if isinstance(nested, list) and nested and all(isinstance(one, dict) for one in nested):
        return [{_NAMED: detail.get(_NAMED), **one} for one in nested]
    return [detail]


def _first(entry: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((entry[name] for name in names if name in entry), None)


def _item(index: int, entry: Mapping[str, Any], left_out: Any, where: str) -> Item:
    said, key, right = _first(entry, _SAID), _first(entry, _KEYS), number(_first(entry, _RIGHT))
    key = left_out if key is None else key
    id = text(entry.get(_NAMED))
    by_likelihood = any(name.startswith("label:") for name in entry)
    judged = "origin_prediction" in entry or right is not None
    texts = said if isinstance(said, list) else [said]
    if judged or by_likelihood:
        answer = said.strip() if isinstance(said, str) else said
        words = text(entry.get("origin_prediction")) if judged else ""
        texts = [words] if words else []
        return Item(index, id, prompt=_prompt(entry), key=key, replies=[Reply(right, answer)], texts=texts)
    if not all(isinstance(one, str) for one in texts):
        raise UsageError(where, seen=f"prediction {str(said)[:60]}", expected="a text, or a list of texts")
    return Item(index, id, prompt=_prompt(entry), key=key, texts=texts)


def _prompt(entry: Mapping[str, Any]) -> str:
    asked = entry.get("origin_prompt", entry.get("prompt"))
    if isinstance(asked, list):
        return text([turn for turn in asked if isinstance(turn, dict) and turn.get("role") == "HUMAN"][-1:] or asked)
    return text(asked)


def _times(items: Sequence[Item]) -> int:
    """How often the whole set stands there, one after the other; 1 where it does not."""
    asked = [(one.prompt, str(one.key)) for one in items]
    if not all(prompt for prompt, _ in asked):
        return 1
    n = len(asked)
    size = next((k for k in range(1, n) if asked[k] == asked[0]), n)
    return n // size if n % size == 0 and len(set(asked)) == size and asked == asked[:size] * (n // size) else 1


def _of_repeats(index: int, of: Sequence[Item]) -> Item:
    """One item of the same question asked several times."""
    replies, texts = [r for one in of for r in one.replies], [t for one in of for t in one.texts]
    return Item(index, of[0].id, prompt=of[0].prompt, key=of[0].key, replies=replies, texts=texts)
