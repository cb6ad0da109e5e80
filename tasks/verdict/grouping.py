"""Which items rise and fall together: by a column, by the passage that their prompts share, or none.

Questions on one passage are not independent: a verdict that takes them so is too sure. So where no column says it,
passages are looked for, and where there are none, the cost is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from storage.evaluations.items import Item
from storage.records import UsageError, digest

COLUMNS = ("group", "group_id", "cluster", "passage_id", "article_id", "problem_id", "context_id", "story_id")
_TEXTS = ("passage", "context", "article", "story", "document", "paragraph", "problem")
_PASSAGE = 200  # characters of a line: what is shorter may be shared by chance
_ALONE = (
    "no groups: each question counts by itself; if several share a passage, this verdict is too sure (--group COLUMN)"
)


class Groups(NamedTuple):
    """A group for each pair, what it was taken from, and what that costs."""

    names: list[str]
    by: str
    warnings: list[str]


def groups(pairs: Sequence[tuple[Item, Item]], by: str | None, names: tuple[str, str]) -> Groups:
    """Groups by the column `by`, "passage" or "none"; by what is there where None. UsageError for no such column."""
    if by == "none":
        return _alone(pairs)
    if by == "passage":
        return _by_passage(pairs) or _alone(pairs)
    if by is not None:
        found = _by_column(pairs, by, names)
        if found is None:
            columns = sorted({str(name) for a, b in pairs[:100] for item in (a, b) for name in item.fields})
            raise UsageError(
                f"not every question has the column {by!r}",
                seen=", ".join(columns)[:300] or "no columns",
                expected="a column of each question",
                hint="--group passage, or --group none",
            )
        return Groups(found, f"column {by}", [])
    for column in COLUMNS:
        if found := _by_column(pairs, column, names):
            return Groups(found, f"column {column}", [])
    for column in _TEXTS:
        texts = _by_column(pairs, column, names)
        if texts and len(set(texts)) < len(texts) and any(len(text) > _PASSAGE for text in texts):
            return Groups(texts, f"column {column}", [])
    return _by_passage(pairs) or _alone(pairs)


def _alone(pairs: Sequence[tuple[Item, Item]]) -> Groups:
    return Groups([str(n) for n in range(len(pairs))], "none", [_ALONE])


def _by_column(pairs: Sequence[tuple[Item, Item]], column: str, names: tuple[str, str]) -> list[str] | None:
    """Each pair's value of the column; None where some have none on either side."""
    found = []
    for a, b in pairs:
        ours, theirs = _value(a.fields, column), _value(b.fields, column)
        if ours is None and theirs is None:
            return None
        if None not in (ours, theirs) and ours != theirs:
            raise UsageError(
                f"question {a.id or a.index!r}, {column}",
                seen=f"{ours!r:.60} in {names[0]}, {theirs!r:.60} in {names[1]}",
                expected=f"the same {column} on both sides",
                hint="evaluate both on the same version of the questions",
            )
        found.append(str(theirs if ours is None else ours))
    return found


def _value(fields: Mapping[str, Any], column: str) -> str | None:
    value = fields.get(column)
    if value in (None, "", [], {}):
        return None
    if isinstance(value, (str, int, float)):
        return str(value)
    return digest([repr(value)])


def _by_passage(pairs: Sequence[tuple[Item, Item]]) -> Groups | None:
    """Groups by the longest line that some prompts, not all, have in common; None where there is no such."""
    lines = [{line.strip() for line in a.prompt.splitlines() if len(line.strip()) >= _PASSAGE} for a, _ in pairs]
    times = Counter(line for of in lines for line in of)
    shared = [
        max((line for line in of if 1 < times[line] < len(pairs)), key=lambda x: (len(x), x), default="")
        for of in lines
    ]
    if not any(shared):
        return None
    found = [digest([passage])[:16] if passage else f"question {n}" for n, passage in enumerate(shared)]
    return Groups(
        found, "passages found in the prompts", [f"{len(set(found))} groups were found by passages in the prompts"]
    )
