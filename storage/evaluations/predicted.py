"""LLaMA-Factory's `generated_predictions.jsonl`, ms-swift's results of `swift infer`: replies and labels, both texts.

Neither scores anything: the replies and the labels are read by whoever compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.evaluations.files import Opened
from storage.evaluations.items import Choice, Item, Task, text
from storage.records import UsageError

_SWIFT = {"response", "labels", "logprobs", "messages", "images", "audios", "videos", "objects", "rejected_response"}
_SWIFT |= {"system", "query", "label", "history"}


def is_llama_factory(file: Opened) -> bool:
    """Whether the file is of LLaMA-Factory."""
    first = file.first
    return isinstance(first, dict) and {"prompt", "predict", "label"} <= first.keys()


def is_swift(file: Opened) -> bool:
    """Whether the file is of ms-swift."""
    first = file.first
    return isinstance(first, dict) and (
        {"response", "messages"} <= first.keys() or {"query", "response", "label", "history"} <= first.keys()
    )


def read_llama_factory(file: Opened, choice: Choice) -> Task:
    """Rows of prompt, predict and label."""
    items: list[Item] = []
    for line, row in file.rows():
        one = _row(row, f"{file.path}, line {line}", "predict", "label")
        items.append(Item(len(items), prompt=text(one.get("prompt")), key=one["label"], texts=[text(one["predict"])]))
    return Task("", items)


def read_swift(file: Opened, choice: Choice) -> Task:
    """Rows of response, labels and messages; the data's own columns stay where `swift infer` kept them.

    Before 3.0 there are system, query, response, label and history.
    """
    items: list[Item] = []
    for line, row in file.rows():
        one = _row(row, f"{file.path}, line {line}", "response")
        turns = one["messages"] if isinstance(one.get("messages"), list) else []
        asked = [turn for turn in turns if isinstance(turn, dict) and turn.get("role") == "user"]
        own = next((one[name] for name in ("id", "question_id") if isinstance(one.get(name), (str, int))), "")
        items.append(
            Item(
                len(items),
                id=str(own),
                prompt=text(asked[-1:]) or text(one.get("query")),
                key=one.get("labels", one.get("label")),
                fields={name: value for name, value in one.items() if name not in _SWIFT},
                texts=[text(one["response"])],
            )
        )
    return Task("", items)


def _row(value: Any, where: str, *wanted: str) -> Mapping[str, Any]:
    if isinstance(value, dict) and all(name in value for name in wanted):
        return value
    raise UsageError(where, seen=str(value)[:80], expected=f"a row with {', '.join(wanted)}")
