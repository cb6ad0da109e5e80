"""OpenCompass: `results/MODEL/DATASET.json` with its details, else `predictions/MODEL/DATASET.json`.

Both are one object with an entry a question, "0", "1" and so on; details may be a list as well. A prediction without
"gold" has the key 0, where keys are numbers, else an empty one: OpenCompass leaves both out. Where a dataset was asked
`n` times, the whole set stands there n times, one after the other: what repeats itself so is repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Item, Reply, Task, number, text
from storage.records import UsageError

TOOL = "opencompass"
_SAID: tuple[str, ...] = ("pred", "predictions", "prediction")
_KEYS: tuple[str, ...] = ("gold", "references", "answer", "reference")
_RIGHT = ("correct", "is_correct", "score")


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


def is_summary(file: Opened) -> bool:
    """Whether it holds figures alone: results without details."""
    first = file.document
    return isinstance(first, dict) and bool(first) and all(isinstance(value, (int, float)) for value in first.values())


def task_of(path: Path) -> str:
    """The task that the file is named after."""
    return path.name.partition(".json")[0]


def model_of(path: Path) -> str:
    """The model, whose folder the file lies in."""
    return path.parent.name


def read(file: Opened, choice: Choice) -> Task:
    """The task of one file."""
    entries = _details(file.document) if is_result(file) else _numbered(file.document)
    left_out = 0 if any(type(_first(entry, _KEYS + _SAID[2:])) is int for _, entry in entries) else ""
    items = [_item(index, entry, left_out, f"{file.path}, {index}") for index, entry in entries]
    task = Task(task_of(file.path), items, "", "" if choice.metric is None else choice.metric)
    numbers = [one.index for one in items]
    if lacking := len(set(range(max(numbers) + 1))) - len(set(numbers)):
        task.notes.append(f"{task.name}: {lacking} of {max(numbers) + 1} numbers are not in the file")
    elif (times := _times(items)) > 1:
        task.items = _folded(items, times)
    return task


def _numbered(document: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    found = []
    for name, entry in document.items():
        if not (name.isascii() and name.isdigit()) or not isinstance(entry, dict):
            raise UsageError(f"OpenCompass, entry {name[:40]!r}", seen=str(entry)[:60], expected="entries by number")
        found.append((int(name), entry))
    return sorted(found, key=lambda pair: pair[0])


def _details(document: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    details = document.get("details")
    if isinstance(details, dict):
        details = [details[str(n)] for n in range(len(details)) if str(n) in details]
    if not isinstance(details, list):
        return []
    flat = [one["detail"] if isinstance(one, dict) and isinstance(one.get("detail"), dict) else one for one in details]
    return [(n, one) for n, one in enumerate(flat) if isinstance(one, dict) and _first(one, _SAID) is not None]


def _first(entry: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((entry[name] for name in names if name in entry), None)


def _item(index: int, entry: Mapping[str, Any], left_out: Any, where: str) -> Item:
    said, key, right = _first(entry, _SAID), _first(entry, _KEYS), number(_first(entry, _RIGHT))
    key = left_out if key is None else key
    by_likelihood = any(name.startswith("label:") for name in entry)
    judged = "origin_prediction" in entry or right is not None
    texts = said if isinstance(said, list) else [said]
    if judged or by_likelihood:
        answer = said.strip() if isinstance(said, str) else said
        words = text(entry.get("origin_prediction")) if judged else ""
        return Item(
            index, prompt=_prompt(entry), key=key, replies=[Reply(right, answer)], texts=[words] if words else []
        )
    if not all(isinstance(one, str) for one in texts):
        raise UsageError(where, seen=f"prediction {str(said)[:60]}", expected="a text, or a list of texts")
    return Item(index, prompt=_prompt(entry), key=key, texts=texts)


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


def _folded(items: Sequence[Item], times: int) -> list[Item]:
    size = len(items) // times
    found = []
    for index in range(size):
        of = items[index::size]
        replies, texts = [r for one in of for r in one.replies], [t for one in of for t in one.texts]
        found.append(Item(index, prompt=of[0].prompt, key=of[0].key, replies=replies, texts=texts))
    return found
