"""Replies that a tool and our extractor read otherwise: often a fault of one of the two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from storage.evaluations.items import Task
from tasks.verdict import question_rows
from tasks.verdict.extraction import keyed, reading


def disagreements(sides: Sequence[Task], ids: Sequence[str], names: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Replies that the tool and our extractor read otherwise."""
    for side, name in zip(sides, names, strict=True):
        keys, how = keyed(side.items)
        for id, item, key in zip(ids, side.items, keys, strict=True):
            if key is None or len(item.texts) < len(item.replies):
                continue
            for n, (reply, said) in enumerate(zip(item.replies, item.texts, strict=False)):
                found = reading(said, key, how)
                right = found.answer is not None and found.answer.casefold() == key.gold.casefold()
                theirs = question_rows.right(item, reply)
                if theirs is not None and theirs != float(right):
                    yield {
                        "subject": name,
                        "task": side.name,
                        "id": id,
                        "reply": n,
                        "key": key.gold,
                        "tool_score": theirs,
                        "tool_answer": reply.answer,
                        "our_answer": found.answer,
                        "read_by": found.by,
                        "text": said,
                    }
