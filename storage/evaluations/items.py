"""What every reader makes of a tool's files: an evaluation has tasks, a task items, an item replies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.records import UsageError


@dataclass(slots=True)  # not frozen, as `Item`: a frozen one takes thrice as long to make, and there are many
class Reply:
    """What a tool made of one reply.

    `answer` is what it extracted, "" where it found none, None where it extracts none. `score` is the tool's own, None
    where it gave none. `failed` says why there is no reply at all.
    """

    score: float | None = None
    answer: Any = None
    failed: str = ""

    @property
    def unreadable(self) -> bool:
        """Whether there is no answer: none was extracted, and nothing was scored for it."""
        return bool(self.failed) or (self.answer == "" and not self.score)


@dataclass(slots=True)
class Item:
    """One question of a task. What a tool does not say is empty.

    `id` is the source's own, `document` a digest of the source row, `index` the tool's number or the place in the
    file. `fields` are the columns that it may be grouped by. `replies` are judged by the tool, `reduced` is what it
    made of all of them; `texts` are the words of the replies, in their order.
    """

    index: int
    id: str = ""
    document: str = ""
    prompt: str = ""
    key: Any = None
    options: Sequence[str] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    replies: Sequence[Reply] = ()
    reduced: Reply | None = None
    texts: Sequence[str] = ()


@dataclass(slots=True)
class Task:
    """One task of an evaluation. `filter` and `metric` are those that were read; the others are there as well."""

    name: str
    items: list[Item]
    filter: str = ""
    metric: str = ""
    filters: Sequence[str] = ()
    metrics: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Evaluation:
    """What one subject answered. `tool` is who wrote it, `model` what it calls the subject; "" where it is not said."""

    path: str
    tool: str
    model: str
    tasks: list[Task]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user said of how to read: names of a filter and a metric, columns of a table, a file of keys."""

    filter: str | None = None
    metric: str | None = None
    id: str | None = None
    gold: str | None = None
    answer: str | None = None
    score: str | None = None
    keys: Path | None = None
    repeated: bool = False
    """Whether an id that stands in a table more than once is a reply more."""
    alike: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Filter and metric of each task of the first subject: where nothing was said, others are read alike."""

    def filter_of(self, task: str, there: Sequence[str], where: str) -> str:
        """The filter to read: the one that was asked for, that of the first subject, or the first."""
        return _chosen(there, self.filter, self._alike(task, 0), "filter", where)

    def metric_of(self, task: str, there: Sequence[str], where: str) -> str:
        """The metric to read, chosen in the same way."""
        return _chosen(there, self.metric, self._alike(task, 1), "metric", where)

    def _alike(self, task: str, place: int) -> str:
        pair = self.alike.get(task) or (next(iter(self.alike.values())) if len(self.alike) == 1 else ("", ""))
        return pair[place]


def number(value: Any) -> float | None:
    """A score as tools write it, as a finite number; None where it is none."""
    if isinstance(value, str):
        text = value.strip().casefold()
        value = {"true": 1, "false": 0, "yes": 1, "no": 0, "correct": 1, "incorrect": 0}.get(text, text)
    if not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: Any) -> str:
    """Text, or the text of content parts and messages; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(part for part in map(text, value) if part)
    if isinstance(value, dict):
        return next((text(value[name]) for name in ("content", "text", "prompt") if value.get(name)), "")
    return ""


def _chosen(there: Sequence[str], wanted: str | None, preferred: str, what: str, where: str) -> str:
    if wanted is None:
        return preferred if preferred in there else there[0] if there else ""
    if wanted not in there:
        raise UsageError(
            f"{where} has no {what} {wanted!r}", seen=", ".join(there) or "none", expected=f"a {what} of these"
        )
    return wanted
